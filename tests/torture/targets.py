"""All targets, by the name that ``--only`` takes."""

from tests.torture import artifacts, corpora, server
from tests.torture.trial import Trials

TARGETS: dict[str, Trials] = {
    "artifacts": artifacts.trials,
    "corpora": corpora.trials,
    "server": server.trials,
}
