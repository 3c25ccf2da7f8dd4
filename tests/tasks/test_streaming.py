"""Training on rows that are read in chunks: --streaming."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import hub
from tests.helpers.tolerances import assert_identical
from tests.helpers.training import flags, kill_and_resume, losses, train, weights
from zoo.tasks import processes
from zoo.tasks.configs import CONFIGS
from zoo.tasks.data import DataError
from zoo.tasks.layout import WHOLE
from zoo.tasks.registry import TASKS
from zoo.tasks.rows import RowTask

LINES = {
    "classification": lambda k: f"a {('fine', 'dull')[k % 2]} film {k},{'+-'[k % 2]}\n",
    "pos": lambda k: f"the D\nfilm{k} {'NV'[k % 2]}\n" + "x X\n" * (k % 3) + "\n",
    "seq2seq": lambda k: f"{'abc'[k % 3]}{k:04}\t{k:04}{'abc'[k % 3]}\n",
}
HEADS = {"classification": "text,label\n"}
ENDINGS = {"classification": "csv", "pos": "conll", "seq2seq": "tsv"}
ROWS = 30  # of a shard
OF_EACH_KIND = {"classification"}


def write(task: str, folder: Path) -> list[str]:
    """Write three shards, dev and test; return the flags that name them."""
    ending, head = ENDINGS[task], HEADS.get(task, "")
    names = ["shard-0", "shard-1", "shard-2", "dev", "test"]
    for k, name in enumerate(names):
        rows = [LINES[task](n) for n in range(ROWS * k, ROWS * (k + 1))]
        (folder / f"{name}.{ending}").write_text(head + "".join(rows))
    args = ["--train-file", str(folder / f"shard-*.{ending}")]
    for split in ("dev", "test"):
        args += [f"--{split}-file", str(folder / f"{split}.{ending}")]
    return args


def arguments(task: str, folder: Path, *more: Any) -> list[Any]:
    """Return the flags of a small run with chunks that span shards."""
    folder.mkdir(exist_ok=True)
    args = flags(task, folder)
    for flag in {"--limit-train", "--epochs", "--data"} & set(args):
        at = args.index(flag)
        del args[at : at + 2]
    return [
        *(task, *args, *write(task, folder), "--streaming", "--shuffle-rows", 40),
        *("--vocab-rows", 60, "--steps", 30, "--eval-every", 7, *more),
    ]


def of(task: str, folder: Path, **more: Any) -> Any:
    """Return a task whose training rows are read in chunks."""
    names = {}
    args = write(task, folder)
    for flag, name in zip(args[::2], args[1::2], strict=True):
        names[flag[2:].replace("-", "_")] = (name,)
    values = {"batch_size": 8, "steps": 30, "eval_every": 7, "shuffle_rows": 40}
    kind: Any = CONFIGS[task]
    config = kind(streaming=True, **names, **{**values, **more})
    return TASKS[task](config)


def content(task: RowTask, batch: dict[str, np.ndarray]) -> list[bytes]:
    """Return the rows of a batch, without padding."""
    names = sorted(batch.keys() - {"number"})
    rows = range(len(batch["mask"]))
    return [
        b"".join(
            np.trim_zeros(batch[name][b], "b").tobytes()
            if batch[name].ndim == 2
            else batch[name][b].tobytes()
            for name in names
        )
        for b in rows
        if batch["mask"][b].any()
    ]


@pytest.mark.parametrize("case", LINES)
def test_a_pass_has_all_rows_as_in_memory(
    case: str, tmp_path: Path, data_cache: None, standard_promotion: None
) -> None:
    task = of(case, tmp_path)
    assert len(task.splits.rows["train"]) == 3 * ROWS
    # The vocabulary is that of all rows: the same arrays as those of rows in memory.
    expected = Counter(
        row for batch in task.batches("train", None) for row in content(task, batch)
    )
    batches = task.stream.batches(None, WHOLE)
    for passes in range(2):
        actual, count = Counter(), 0
        while sum(actual.values()) < 3 * ROWS:
            place, batch = next(batches)
            assert place[0] == passes
            actual.update(content(task, batch))
            count += 1
        assert actual == expected and count >= -(-3 * ROWS // 8)


@pytest.mark.parametrize("case", LINES)
def test_batches_are_the_same_from_each_position(
    case: str, tmp_path: Path, data_cache: None, standard_promotion: None
) -> None:
    task = of(case, tmp_path)
    batches = list(itertools.islice(task.stream.batches(None, WHOLE), 30))
    assert {place[3] for place, _ in batches} >= {0, 1, 2}  # chunks
    assert len({place[0] for place, _ in batches}) > 1  # passes
    for number in range(29):
        position = batches[number][0]
        place, batch = next(task.stream.batches(position, WHOLE))
        assert place == batches[number + 1][0]
        assert_identical(batch, batches[number + 1][1])


def test_lengths_of_batches_are_those_of_the_first_rows(
    tmp_path: Path, data_cache: None, standard_promotion: None
) -> None:
    task = of("pos", tmp_path, vocab_rows=20)
    sizes = set(task.splits.buckets["train"].sizes)
    batches = itertools.islice(task.stream.batches(None, WHOLE), 30)
    assert {batch["mask"].shape[1] for _, batch in batches} <= sizes


def test_a_label_that_the_first_rows_lack_is_an_error_that_names_its_row(
    tmp_path: Path, data_cache: None, standard_promotion: None
) -> None:
    task = of("classification", tmp_path, vocab_rows=20)
    last = Path(task.stream.rows.shards[int(task.stream.rows.order(0)[2])].name)
    lines = last.read_text().splitlines()
    last.write_text("\n".join([*lines[:3], "a film,?", *lines[3:]]) + "\n")
    message = (
        f"{last}, row 3 has the label '\\?', which is not among those of the first 20 "
        "rows: give a larger --vocab-rows"
    )
    with pytest.raises(DataError, match=message):
        list(itertools.islice(task.stream.batches(None, WHOLE), 30))


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", ["classification", "seq2seq"])
def test_a_killed_run_equals_an_uninterrupted_one(
    work: tuple[Path, dict[str, str]], case: str, output_of: Callable[..., str]
) -> None:
    folder, env = work
    args = arguments(case, folder / case)
    uninterrupted, out = (folder / case / name for name in ("run", "killed"))
    output = output_of(*args, "--out", uninterrupted, command="train")
    assert "train: 3 shards; vocabulary, labels, batch lengths and baselines" in output
    scores = json.loads((uninterrupted / "metrics.json").read_text())["test"]
    evaluated = output_of(uninterrupted, command="evaluate")
    name = {"classification": "accuracy", "seq2seq": "exact"}[case]
    assert f"{name:<14} {scores[name]:.4f}\n" in evaluated
    kill_and_resume(*args, out=out, checkpoints=(6, 23), env=env)
    assert_identical(weights(out), weights(uninterrupted))
    assert losses(out) == losses(uninterrupted)
    assert [step for step, *_ in losses(out)] == [7, 14, 21, 28, 30]


@pytest.mark.parametrize(
    "kills",
    [
        (),
        pytest.param(
            (13,), marks=pytest.mark.thorough("the test above kills a run on files")
        ),
    ],
)
def test_a_dataset_of_the_hub_is_streamed(
    work: tuple[Path, dict[str, str]], tmp_path: Path, kills: tuple[int, ...]
) -> None:
    task, *args = arguments("classification", tmp_path)
    at = args.index("--train-file")
    args[at : at + 4] = ["--data", f"hub:{hub.NAME}"]  # dev is that of the hub
    test = tmp_path / "test.csv"
    test.write_text("text,label\n" + "a good film,good\na film,bad\n" * 9)
    cache = {"HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path / "datasets")}
    uninterrupted = out = tmp_path / "run"
    with hub.serving(hub.Hub) as address:
        env = {**work[1], **cache, "HF_ENDPOINT": address}
        process = train(task, *args, "--out", uninterrupted, env=env)
        assert process.returncode == 0, process.stderr
        if kills:
            out = tmp_path / "killed"
            kill_and_resume(task, *args, out=out, checkpoints=kills, env=env)
    assert "train: 1 shard; " in process.stdout
    assert "dev          18 rows" in process.stdout
    assert "test         18 rows" in process.stdout
    assert [step for step, *_ in losses(uninterrupted)] == [7, 14, 21, 28, 30]
    assert_identical(weights(out), weights(uninterrupted))
    assert losses(out) == losses(uninterrupted)
    # No row of train is kept on disk.
    kept = [path.read_bytes() for path in (tmp_path / "datasets").rglob("*.*")]
    assert any(b"a good film 8" in content for content in kept)  # of dev
    assert not any(b"a good film 39" in content for content in kept)


@pytest.mark.parametrize(
    ("without", "more", "message"),
    [
        ("--steps", (), "--streaming needs --steps: a pass has no known length"),
        ("--eval-every", (), "--streaming needs --eval-every: a pass has no known "),
        ("--dev-file", (), "--streaming takes no dev split from train, and the data "),
        ("", ("--limit-train", 9), "--limit-train is not for --streaming: --steps "),
    ],
)
def test_what_streaming_needs(
    without: str,
    more: tuple[Any, ...],
    message: str,
    tmp_path: Path,
    error_of: Callable[..., str],
    data_cache: None,
) -> None:
    args = arguments("classification", tmp_path, *more)
    if without:
        at = args.index(without)
        del args[at : at + 2]
    assert error_of(*args).startswith(f"error: {message}")


def test_streaming_is_for_one_process(
    tmp_path: Path, data_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(ValueError, match="--streaming is for one process"):
        of("classification", tmp_path)


def test_streaming_is_for_rows_of_the_users_data(error_of: Callable[..., str]) -> None:
    assert error_of("pos", "--streaming", "--steps", 3, "--eval-every", 1) == (
        "error: --streaming needs data: --data hub:NAME, or files with --train-file\n"
    )
    for task in ("charlm", "memory"):
        assert "streaming" not in {field.name for field in fields(CONFIGS[task])}
