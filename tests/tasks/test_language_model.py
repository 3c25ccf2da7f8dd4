"""The scores of the language model."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.tasks.charlm import CharacterModel, Config


@pytest.mark.parametrize(
    ("units", "name", "expected"),
    [
        ("chars", "bits_per_char", 2.0),
        ("words", "perplexity", 4.0),
        ("symbols", "perplexity", 4.0),
    ],
)
def test_scores(
    tmp_path: Path,
    error_of: Callable[..., str],
    units: str,
    name: str,
    expected: float,
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be that is the question " * 50)
    flags = {"data": str(text), "hidden_size": 2, "embedding_dim": 2, "units": units}
    task = CharacterModel(Config(**flags))  # pyright: ignore[reportArgumentType]
    batch = {"labels": np.array([[2, 1, 3, 0]]), "mask": np.array([[1, 1, 1, 0]]) > 0}
    arrays = {"loss": np.array(3 * math.log(4)), "count": np.array(3)}
    scores = task.metrics([(batch, arrays)]).values
    assert scores == pytest.approx(
        {"nats": math.log(4), name: expected, "unknown": 1 / 3}
    )
    other = "perplexity" if units == "chars" else "bits_per_char"
    args = ("--data", text, "--units", units, "--monitor", other)
    message = error_of("charlm", *args, "--out", tmp_path / "no")
    assert f"--monitor must be one of 'auto', 'nats', '{name}', 'unknown'" in message
