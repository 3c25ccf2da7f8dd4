"""What a run reads of a task and of its flags; `zoo.tasks.base` implements both."""

from typing import Any, ClassVar, Protocol

from zoo.tasks.run.html import Section
from zoo.tasks.scores import Pairs, Scores


class RunConfig(Protocol):
    """The flags that a run reads; see `zoo.tasks.base.Config`."""

    @property
    def cell(self) -> str: ...  # noqa: D102

    @property
    def out(self) -> Any: ...  # noqa: D102

    @property
    def resume(self) -> bool: ...  # noqa: D102

    @property
    def overwrite(self) -> bool: ...  # noqa: D102

    @property
    def force(self) -> bool: ...  # noqa: D102

    @property
    def keep_checkpoints(self) -> int: ...  # noqa: D102

    @property
    def debug(self) -> bool: ...  # noqa: D102


class RunTask(Protocol):
    """The part of a task that a run shows; see `zoo.tasks.base.Task`."""

    name: ClassVar[str]

    @property
    def config(self) -> RunConfig: ...  # noqa: D102

    @property
    def notes(self) -> list[str]: ...  # noqa: D102

    @property
    def coverage(self) -> dict[str, Any]: ...  # noqa: D102

    @property
    def pipeline(self) -> Any: ...  # noqa: D102

    @property
    def monitor(self) -> tuple[str, str]: ...  # noqa: D102

    def sizes(self) -> dict[str, Any]: ...  # noqa: D102

    def baselines(self) -> dict[str, Scores]: ...  # noqa: D102

    def example(self) -> str: ...  # noqa: D102

    def report(self, pairs: Pairs) -> list[Section]: ...  # noqa: D102
