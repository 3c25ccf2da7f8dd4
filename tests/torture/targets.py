"""All targets, by the name that ``--only`` takes."""

from tests.torture import artifacts, server
from tests.torture.trial import Trials

TARGETS: dict[str, Trials] = {
    "artifacts": artifacts.trials,
    "server": server.trials,
}
