"""Damaged corpora: rows of the right form, or an error that names the file.

A trial writes a small corpus in one of the formats, damages it, and reads it with
flags that may be wrong. Every twentieth trial is a complete `zoo.tasks.data.load`; the
others read the files in the same way, without writing Arrow files. Every tenth corpus
is not damaged: its rows are those that were written, or there is an error.
"""

import codecs
import importlib
import itertools
import os
import random
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.torture import corpus_files
from tests.torture.mutations import MUTATIONS, mutations_of
from tests.torture.trial import Trial
from zoo.tasks.data import DataError, Kind, Source, files, formats, load, read
from zoo.tasks.data.formats import FORMATS, schemes
from zoo.tasks.data.formats.errors import MAX_LENGTH, printable

MAX_SECONDS = 5.0  # of the processor, as others may use it at the same time
MAX_WAIT = 60.0  # seconds for a trial that waits
MAX_GROWTH_MB = 500  # of the largest resident memory, in one trial
_NAMES = (
    *("train", "dev", "test", "train-dev", "a b", "a\nb", "\x1b[31m", "x" * 200),
    *("слово", os.fsdecode(b"\xff\xfe"), "-", "[a]", "*", "~", "README", ".hidden"),
)
_ENDINGS = ("", ".txt", ".gz", ".json.gz", ".pos", ".src", ".XLSX", ".", ".conllu.GZ")
_ENCODINGS = (
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1251", "gb18030"),
    *("utf-7", "hex", "rot13", "idna", "punycode", "undefined", "unicode_escape", "hz"),
    *("mbcs", "none", "", "a\0b", "\ud800", "utf-8-sig", "shift_jis", "iso2022_jp"),
)
_COLUMNS = (
    *("text", "label", "tokens", "tags", "source", "target", "0", "1", "-1", "99", "²"),
    *(
        "1,0",
        ",",
        "",
        "a\0b",
        "\ud800",
        "9" * 5000,
        "NER",
        "xpos",
        "10",
        "\x1b[2J",
        "txt",
    ),
    *("src", "tgt", "a/b", "1_0", "Word", "more"),
)


Action = Callable[[Source, Kind, Path], object]


class _Hang(BaseException):
    """A trial that takes too long; no `Exception`, so that no code catches it."""


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield trials without end.

    Args:
        seed: seed of the trials.
        folder: an empty folder to write in.
    """
    importlib.import_module("zoo.text.tokenizer")  # so that no trial waits for it
    for number in itertools.count():
        rng = random.Random(f"{seed}/{number}")
        place = folder / "corpus"
        place.mkdir()
        kind, source, name = _corpus(rng, place)
        action: Action = _read_files
        if number % 20 == 19:
            action = rng.choice((_load, _read))
        elif number % 10 == 0:
            (place := place / "undamaged").mkdir()
            kind, source, name, action = _undamaged(rng, place)
        yield _trial(f"{name}, {kind}, {_shown(source)}", action, source, kind, place)
        shutil.rmtree(folder / "corpus")


def _corpus(rng: random.Random, place: Path) -> tuple[Kind, Source, str]:
    """Write a damaged corpus; return how to read it, and what it is."""
    format = rng.choice(list(FORMATS))
    kind = rng.choice(FORMATS[format].kinds)
    num_files = 1 if rng.random() < 0.7 else rng.randint(2, 3)
    done: list[str] = []
    paths: list[Path] = []
    for number in range(num_files):
        stem = ("train", "dev", "test")[number]
        if rng.random() < 0.2:
            stem = rng.choice(_NAMES)
        ending = rng.choice(FORMATS[format].endings or (".txt", ""))
        if rng.random() < 0.15:
            ending = rng.choice(_ENDINGS)
        rows = corpus_files.table(rng, kind)
        contents = corpus_files.write(rng, format, kind, rows)
        endings = (".src", ".tgt") if len(contents) == 2 else (ending,)
        for content, end in zip(contents, endings, strict=True):
            for _ in range(rng.choice((0, 1, 1, 2, 3))):
                mutation = rng.choice(mutations_of(format))
                content = MUTATIONS[mutation](rng, content)
                done.append(mutation)
            path = place / f"{stem}{end}"
            if rng.random() < 0.01:
                done.append(_no_file(rng, path))
            elif not os.path.lexists(path):
                path.write_bytes(content[: 1 << 20])
            paths.append(path)
    data = str(rng.choice((place, paths[0], place / "*", place / "**" / "*")))
    if len(paths) == 1 and rng.random() < 0.7:
        data = str(paths[0])
    flags: dict[str, Any] = {"data": data, "skip_bad_rows": rng.random() < 0.3}
    if rng.random() < 0.1:
        flags["encoding"] = rng.choice(_ENCODINGS)
    if rng.random() < 0.25:
        flags["format"] = rng.choice((format, *FORMATS, "none", ""))
    if rng.random() < 0.15:
        flags["test_file"] = (str(rng.choice(paths)),)
    for flag in ("text", "label", "token", "tag", "source", "target"):
        if rng.random() < 0.06:
            flags[f"{flag}_column"] = rng.choice(_COLUMNS)
    if rng.random() < 0.1:
        kind = rng.choice(formats.FORMATS["csv"].kinds)
    return kind, Source(**flags), f"{format} ({', '.join(done) or 'as it should be'})"


def _undamaged(rng: random.Random, place: Path) -> tuple[Kind, Source, str, Action]:
    """Write a corpus; return how to read it, what it is, and the check of its rows."""
    format = rng.choice(list(FORMATS))
    kind = rng.choice(FORMATS[format].kinds)
    rows = corpus_files.table(rng, kind)
    contents = corpus_files.write(rng, format, kind, rows)
    endings = (rng.choice(FORMATS[format].endings or (".txt",)),)
    if len(contents) == 2:
        endings = (".src", ".tgt")
    for content, ending in zip(contents, endings, strict=True):
        (place / f"train{ending}").write_bytes(content)
    data = place if rng.random() < 0.5 else place / f"train{endings[0]}"
    expected = corpus_files.as_read(format, kind, rows)

    def check(source: Source, kind: Kind, place: Path) -> None:
        actual = _read_files(source, kind, place)
        if expected is not None:  # the splits of a file are read one after the other
            assert sorted(map(repr, actual)) == sorted(map(repr, expected))

    return kind, Source(str(data)), f"{format} (as it should be)", check


def _no_file(rng: random.Random, path: Path) -> str:
    """Put something other than a file at its path; return what it is."""
    what = rng.choice(("missing", "fifo", "loop", "folder", "device"))
    if what == "missing" or os.path.lexists(path):
        return "missing"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "folder":
        path.mkdir()
        (path / "again").symlink_to(path.parent)
    else:
        path.symlink_to("/dev/zero")
    return what


def _read_files(source: Source, kind: Kind, _: Path) -> list[Any]:
    """Return the rows of all files of a corpus, after some checks."""
    all_rows: list[Any] = []
    chosen = files.find(
        source.data,
        {split: getattr(source, f"{split}_file") for split in files.SPLITS},
        kind,
        source.format,
        source.encoding,
        source.columns,
    )
    for data_file in [*itertools.chain(*chosen.splits.values()), *chosen.unassigned]:
        reading = formats.plan(
            data_file.path,
            kind,
            format=data_file.format or source.format,
            encoding=source.encoding,
            columns=source.columns,
            metadata_split=data_file.metadata_split,
            targets=data_file.targets,
            label=data_file.label,
            skip_bad_rows=source.skip_bad_rows,
        )
        formats.describe(reading).encode("utf-8", "surrogatepass")
        rows = list(formats.rows(reading))
        all_rows += rows
        for row in rows:
            _check_row(row, kind)
        content = data_file.path.read_bytes()
        is_plain = reading.format == "text" and source.encoding == "utf-8"
        if is_plain and not content.startswith(b"\x1f\x8b"):
            text = content.removeprefix(codecs.BOM_UTF8)
            assert "".join(row["text"] for row in rows).encode() == text
    return all_rows


def _load(source: Source, kind: Kind, place: Path) -> None:
    """Read all splits, and check their rows and notes."""
    splits = load(source, kind, cache_dir=place / ".cache", strict_labels=False)
    for rows in (splits.train, splits.dev, splits.test):
        for row in rows:
            _check_row(dict(row), kind)
    assert all(note.isprintable() for note in splits.notes)


def _read(source: Source, kind: Kind, place: Path) -> None:
    """Read a split twice, the second time from the cache."""
    first, again = (
        read(source, kind, "train", cache_dir=place / ".cache") for _ in range(2)
    )
    assert list(first.rows) == list(again.rows)


def _check_row(row: dict[str, Any], kind: Kind) -> None:
    """Raise an error if a row is not of its kind."""
    if kind in ("tagged", "entities"):
        assert list(row) == ["tokens", "tags"], row
        assert len(row["tokens"]) == len(row["tags"]) > 0, row
        texts = [*row["tokens"], *row["tags"]]
        if kind == "entities":
            assert not schemes.violations(row["tags"], "BIO2"), row
    elif kind == "pairs":
        assert list(row) == ["source", "targets"] and row["targets"], row
        texts = [row["source"], *row["targets"]]
    else:
        assert list(row) == ["text", "label"][: 1 + (kind == "labelled")], row
        texts = list(row.values())
    for text in texts:
        assert type(text) is str and text, row
        text.encode()


def _trial(
    name: str,
    action: Action,
    source: Source,
    kind: Kind,
    place: Path,
) -> Trial:
    """Read a corpus, and judge how that ends."""
    outcome, failure = "read", None
    start, peak = time.process_time(), _peak_mb()
    try:
        with _time_limit():
            action(source, kind, place)
    except DataError as error:
        outcome, failure = type(error).__name__, _fault(str(error), place)
    except (_Hang, Exception) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        outcome = "failure"
        failure = f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
    if time.process_time() - start > MAX_SECONDS:
        failure = failure or f"it took more than {MAX_SECONDS} s"
    if (growth := _peak_mb() - peak) > MAX_GROWTH_MB:
        failure = failure or f"it took {growth} MB"
    return Trial(name, outcome, failure and printable(failure))


def _fault(message: str, place: Path) -> str | None:
    """Return what is wrong with the message of an error; None if nothing is."""
    if not message.isprintable() or len(message) >= MAX_LENGTH:
        return f"not a line of less than {MAX_LENGTH} characters: {message}"
    if str(place) not in message and "--" not in message:
        return f"names no file and no flag: {message}"
    return None


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise `_Hang` in a trial that does not end."""

    def stop(_: int, __: FrameType | None) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MAX_WAIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


def _shown(source: Source) -> str:
    """Return the flags that are given, with the last part of the path alone."""
    default = Source()
    values = {k: v for k, v in vars(source).items() if v != getattr(default, k)}
    values["data"] = Path(str(source.data)).name
    return " ".join(f"{name}={str(value)[:40]!r}" for name, value in values.items())
