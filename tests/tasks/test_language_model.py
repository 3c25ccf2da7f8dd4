"""The scores of the language model."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("one_stream", [False, True])
@pytest.mark.parametrize("units", ["chars", "words"])
def test_windows_read_each_token_once(
    tmp_path: Path, units: Any, one_stream: bool
) -> None:
    text = "to be, or not to bé:\nthat is the question\n" * 7
    (tmp_path / "text.txt").write_text(text)
    flags: dict[str, Any] = {"hidden_size": 2, "embedding_dim": 2, "max_length": 9}
    files = {f"{s}_file": (str(tmp_path / "text.txt"),) for s in ("train", "test")}
    flags |= files | {"batch_size": 4, "units": units, "one_stream": one_stream}
    task = CharacterModel(Config(**flags))
    encoder = task.pipeline.text
    for split, expected in (("train", text[: int(len(text) * 0.9)]), ("test", text)):
        lines = expected.splitlines(keepends=True)
        ids = np.concatenate([encoder.encode(line) for line in lines])
        batches = list(task.batches(split, None))
        assert len(batches) == task.num_batches(split)
        B, T = (1, 1000) if one_stream and split == "test" else (4, 9)
        assert {batch["ids"].shape for batch in batches} == {(B, T)}
        joined = {
            name: np.concatenate([batch[name] for batch in batches], axis=1)
            for name in ("ids", "labels", "mask")
        }
        assert joined["ids"].dtype == joined["labels"].dtype == np.int32
        real = joined["mask"]
        np.testing.assert_array_equal(joined["ids"][real], ids[:-1])
        np.testing.assert_array_equal(joined["labels"][real], ids[1:])
        assert not joined["ids"][~real].any() and not joined["labels"][~real].any()
