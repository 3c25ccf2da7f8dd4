"""What a server compiles before it is ready, and later."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from zoo.server.generation import Generation
from zoo.server.limits import Limits
from zoo.server.prediction import Prediction


class Spare:
    """A scheduler that keeps the spare work."""

    def __init__(self) -> None:
        """Start without work."""
        self.calls: list[Callable[[], object]] = []

    def run_when_idle(self, calls: Iterable[Callable[[], object]]) -> None:
        """Keep the calls.

        Args:
            calls: the functions.
        """
        self.calls += calls


@pytest.mark.parametrize("kind", ["classifier", "tagger", "reader"])
def test_no_text_within_the_limits_compiles_a_program(
    kind: str,
    models: dict[str, Any],
    compiled: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline, spare, limits = models[kind], Spare(), Limits(characters=300)
    monkeypatch.setattr(pipeline, "longest", 256)

    def predict(length: int) -> None:
        text = str([0] * length) if kind == "reader" else " ".join(["a"] * length)
        pipeline.predict([text], batch_size=1)

    pipeline.bind()  # which forgets all programs
    Prediction(pipeline, spare, limits).warm_up()  # pyright: ignore[reportArgumentType]
    compiled.clear()
    for length in (1, 9, 30, 64):
        predict(length)
    assert not compiled
    assert len(spare.calls) == 4  # 128, 192, 256 and 512 tokens
    for call in spare.calls:
        call()
    compiled.clear()
    for length in (65, 192, 256, 300):
        predict(length)
    assert not compiled


def test_the_default_options_of_a_generation_compile_nothing(
    models: dict[str, Any], compiled: list[str]
) -> None:
    pipeline, spare = models["language_model"], Spare()
    pipeline.bind()
    arguments: Any = (pipeline, spare, Limits(), None)
    Generation(*arguments).warm_up()
    compiled.clear()
    list(pipeline.generate("he", 3, temperature=0.8, seed=5))
    assert not compiled
    (call,) = spare.calls
    call()
    compiled.clear()
    list(pipeline.generate("he" * 600, 3, temperature=0.8))
    assert not compiled
