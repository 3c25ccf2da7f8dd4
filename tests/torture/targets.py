"""All targets, by the name that ``--only`` takes."""

from tests.torture import (
    artifacts,
    checkpoints,
    corpora,
    full_disk,
    kills,
    server,
    soak,
    texts,
)
from tests.torture.trial import Trials

TARGETS: dict[str, Trials] = {
    "artifacts": artifacts.trials,
    "checkpoints": checkpoints.trials,
    "corpora": corpora.trials,
    "full_disk": full_disk.trials,
    "kills": kills.trials,
    "server": server.trials,
    "soak": soak.trials,
    "texts": texts.trials,
}
