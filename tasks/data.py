"""The data of a task: sample, files or hub, through Arrow files of `datasets`."""

import glob
import hashlib
import inspect
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
from datasets.exceptions import DatasetGenerationError

from tasks import formats
from tasks.formats import FormatError, Options, base, records, schemes
from tasks.formats.base import Kind
from tasks.formats.delimited import LABELS, TEXTS

SPLITS = ("train", "dev", "test")
# The word that tells the split, as a word of its own in a file's name.
_NAMED = re.compile(
    r"(?<![a-z])(train(?:ing)?|dev|valid(?:ation)?|val|testa|testb|test)(?![a-z])"
)
_SPLIT_OF = {"train": "train", "training": "train", "test": "test", "testb": "test"}
SHARE = 0.1

datasets.disable_progress_bars()
datasets.logging.set_verbosity_error()


class DataError(ValueError):
    """Data that cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Source:
    """Where the data of a task are, and what is what in them."""

    data: str | None = None
    """A file, a folder of split files, a glob, or hub:NAME[/CONFIG]; or the sample."""
    train_file: tuple[str, ...] = ()
    """Files or globs of the training data."""
    dev_file: tuple[str, ...] = ()
    """Files or globs of the development data."""
    test_file: tuple[str, ...] = ()
    """Files or globs of the test data."""
    format: str | None = None
    """conllu, columns, csv, tsv, jsonl, parquet, labelled, folder or text."""
    encoding: str = "utf-8"
    """Encoding of the files."""
    text_column: str | None = None
    """Name or number (from 0) of the column of the text; several between commas."""
    label_column: str | None = None
    """Name or number of the column of the label; in CoNLL-U the comment's key."""
    token_column: str | None = None
    """Name or number of the column of the word."""
    tag_column: str | None = None
    """Name or number of the column of the tag; in CoNLL-U also a key of MISC."""


class Splits(NamedTuple):
    """The data of a task.

    Attributes:
        train: rows.
        dev: rows.
        test: rows.
        notes: what was decided, for the user.
    """

    train: datasets.Dataset
    dev: datasets.Dataset
    test: datasets.Dataset
    notes: tuple[str, ...] = ()


def load(
    source: Source,
    kind: Kind,
    *,
    seed: int = 0,
    sample: Path | None = None,
    cache_dir: Path | None = None,
) -> Splits:
    """Read the data of a task.

    Args:
        source: where they are.
        kind: ``"labelled"`` rows ``{text, label}``, ``"tagged"`` rows ``{tokens,
            tags}``, ``"entities"``, the same with tags in BIO2, or ``"text"``: rows of
            one line each, whose texts joined are the file.
        seed: draws the share of train that serves where there is no dev or test.
        sample: the file that is read where `source` names none.
        cache_dir: of the Arrow files; by default that of `datasets`.

    Raises:
        DataError: if there are no such data, or no training data among them.
        FormatError: naming the file and the line that is broken.
    """
    parts, notes = _parts(source, kind, sample, cache_dir)
    if "train" not in parts:
        told = ", ".join(f"{name} ({len(rows)} rows)" for name, rows in parts.items())
        raise DataError(
            f"no training data: found only {told}; --train-file names them (files are "
            "told apart by train, dev or valid, test in their names)"
        )
    divide = _by_position if kind == "text" else _by_share
    parts, more = divide(parts, seed)
    for name, rows in parts.items():
        if not len(rows):
            raise DataError(f"the {name} split is empty")
    return Splits(parts["train"], parts["dev"], parts["test"], (*notes, *more))


def read(
    source: Source,
    kind: Kind,
    split: str,
    *,
    seed: int = 0,
    sample: Path | None = None,
    cache_dir: Path | None = None,
) -> datasets.Dataset:
    """Read one split, for the evaluation of a trained model.

    Args:
        source: where the data are; they need hold no other split.
        kind: as for `load`.
        split: ``"train"``, ``"dev"`` or ``"test"``.
        seed: as for `load`.
        sample: as for `load`.
        cache_dir: as for `load`.

    Raises:
        DataError: if there are no such data.
        FormatError: naming the file and the line that is broken.
    """
    parts, _ = _parts(source, kind, sample, cache_dir)
    if split not in parts and "train" in parts:
        divide = _by_position if kind == "text" else _by_share
        parts, _ = divide(parts, seed)
    if split not in parts:
        raise DataError(f"no {split} data: found {', '.join(parts)}")
    if not len(parts[split]):
        raise DataError(f"the {split} split is empty")
    return parts[split]


def _parts(source, kind, sample, cache_dir) -> tuple[dict[str, Any], list[str]]:
    """Return the rows of each split that there is."""
    options = Options(
        kind,
        source.encoding,
        source.text_column,
        source.label_column,
        source.token_column,
        source.tag_column,
    )
    if source.format is not None and source.format not in formats.FORMATS:
        raise DataError(
            f"--format must be one of {', '.join(formats.FORMATS)}, got "
            f"{source.format!r}"
        )
    files: dict[str, list[Path]] = {}
    if source.data is not None and source.data.startswith("hub:"):
        if source.train_file or source.dev_file or source.test_file:
            raise DataError("--data hub:... and --train-file etc. exclude each other")
        return from_hub(source.data[4:], options, cache_dir), []
    named = {
        "train": source.train_file,
        "dev": source.dev_file,
        "test": source.test_file,
    }
    if source.data is not None:
        files = _find(source.data, kind)
    elif not any(named.values()):
        if sample is None:
            raise DataError("--data must name a file, a folder or hub:NAME")
        files = {"train": [sample]}
    for split, patterns in named.items():
        if patterns:
            files[split] = [path for pattern in patterns for path in _glob(pattern)]
    parts = {}
    notes = []
    for split, paths in files.items():
        rows = _arrow(paths, options, source.format, cache_dir)
        if len(paths) > 1:
            notes.append(f"{split} is read from {', '.join(p.name for p in paths)}")
        inner = set(rows.unique("split")) if "split" in rows.column_names else set()
        if inner - {""}:
            if inner - set(SPLITS) or len(files) > 1:
                raise DataError(
                    f"{paths[0]}: expected '# split = train', dev or test at each "
                    f"sentence of a lone file, got {sorted(inner)}"
                )
            of_row = np.array(rows["split"])
            for name in SPLITS:
                parts[name] = rows.select(np.flatnonzero(of_row == name))
        else:
            parts[split] = rows
    parts = {
        name: rows.remove_columns("split") if "split" in rows.column_names else rows
        for name, rows in parts.items()
    }
    return parts, notes


def _find(spec: str, kind: Kind) -> dict[str, list[Path]]:
    """Return the files of each split that a file, a folder or a glob holds."""
    path = Path(spec)
    paths = _glob(spec)
    if paths == [path] and path.is_file():
        return {"train": [path]}
    if paths == [path]:
        paths = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
    found: dict[str, list[Path]] = {}
    for file in paths:
        match = _NAMED.search(file.name.lower())
        if match is not None:
            found.setdefault(_SPLIT_OF.get(match[1], "dev"), []).append(file)
    if found:
        return {split: found[split] for split in SPLITS if split in found}
    if kind == "labelled" and path.is_dir() and len(paths) > 1:
        return {"train": [path]}
    if not paths:
        raise DataError(f"--data {spec}: the folder holds no files")
    if kind == "text" or len(paths) == 1:
        return {"train": paths}
    raise DataError(
        f"--data {spec}: none of its files has train, dev (valid, testa) or test "
        f"(testb) as a word of its name: {', '.join(p.name for p in paths[:10])}; "
        "--train-file, --dev-file and --test-file name them"
    )


def _glob(pattern: str) -> list[Path]:
    """Return the files that a path or a glob means, in order of their names."""
    path = Path(pattern)
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(pattern) if Path(name).is_file())
    if found:
        return found
    near = ""
    if path.parent.is_dir():
        names = [p.name for p in path.parent.iterdir()]
        close = (
            get_close_matches(path.name, names, n=3, cutoff=0.5) or sorted(names)[:5]
        )
        near = f"; {path.parent} holds {', '.join(close)}" if close else ""
    else:
        near = f"; there is no folder {path.parent}"
    raise DataError(f"no such file or folder: {pattern}{near}")


def _arrow(
    paths: list[Path], options: Options, name: str | None, cache_dir: Path | None
) -> datasets.Dataset:
    """Return the rows of files, parsed once for each content of them."""
    features = {**_features(options.kind), "split": datasets.Value("string")}
    key = hashlib.sha256(repr((options, name, datasets.__version__)).encode())
    for module in (formats, base, schemes, *_parsers()):
        key.update(inspect.getsource(module).encode())
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            key.update(f"\0{file}\0".encode())
            if file.is_file():
                with file.open("rb") as opened:
                    while block := opened.read(2**20):
                        key.update(block)
    try:
        rows = datasets.Dataset.from_generator(
            _rows,
            features=datasets.Features(features),
            cache_dir=cache_dir and str(cache_dir),  # pyright: ignore
            gen_kwargs={"paths": [paths], "options": options, "name": name},
            fingerprint=key.hexdigest()[:32],
        )
    except DatasetGenerationError as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, FormatError | OSError):
            cause = cause.__cause__
        raise (cause or error) from None
    except ValueError as error:
        if "corresponds to no data" not in str(error):
            raise
        nothing = {name: [] for name in features}
        return datasets.Dataset.from_dict(nothing, datasets.Features(features))
    assert isinstance(rows, datasets.Dataset)
    return rows


def _features(kind: Kind) -> datasets.Features:
    """Return the columns of a kind of rows."""
    text = datasets.Value("string")
    names = {"labelled": ("text", "label"), "text": ("text",)}
    if kind in names:
        return datasets.Features(dict.fromkeys(names[kind], text))
    return datasets.Features(dict.fromkeys(("tokens", "tags"), datasets.List(text)))


def _parsers() -> list[Any]:
    """Return the modules of the parsers."""
    return sorted(
        {inspect.getmodule(read) for read in formats.FORMATS.values()},
        key=lambda module: module.__name__,
    )


def _rows(
    paths: list[list[Path]], options: Options, name: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of files; entities in BIO2."""
    # A list in a list: the library deals the entries of plain lists to its processes.
    for path in paths[0]:
        rows: Iterable[dict[str, Any]] = formats.parse(path, options, name)
        if options.kind == "entities":
            rows = to_bio2(path, options, rows, formats.parse(path, options, name))
        for row in rows:
            row.pop("line", None)
            yield {"split": "", **row}


def to_bio2(
    path: Path,
    options: Options,
    rows: Iterable[dict[str, Any]],
    again: Iterable[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield tagged rows with their tags in BIO2.

    Args:
        path: of the file, for the message.
        options: of its parser.
        rows: of the file, for a first pass that finds the scheme.
        again: the same once more.

    Raises:
        FormatError: at a tag that belongs to no scheme.
    """
    begins: list[int | None] = []

    def tags() -> Iterator[list[str]]:
        for row in rows:
            begins.append(row.get("line"))
            yield row["tags"]

    try:
        scheme = schemes.detect(tags())
    except schemes.SchemeError as error:
        where = f"word {error.token + 1} of this sentence: {error}"
        raise FormatError(path, begins[error.row], where) from None
    for row in again:
        yield {**row, "tags": schemes.to_bio2(row["tags"], scheme)}


def from_hub(
    spec: str, options: Options, cache_dir: Path | None = None
) -> dict[str, datasets.Dataset]:
    """Load a data set of the hub.

    Args:
        spec: ``NAME``, ``NAME/CONFIG``, ``OWNER/NAME`` or ``OWNER/NAME/CONFIG``.
        options: its columns, where they are not told by their features.
        cache_dir: of the Arrow files.

    Raises:
        DataError: if it cannot be had, or has no such columns.
    """
    parts = spec.split("/")
    tries = [("/".join(parts[:2]), "/".join(parts[2:]) or None)]
    if len(parts) == 2:
        tries.append((parts[0], parts[1]))
    failed: Exception | None = None
    for name, config in tries:
        try:
            found = datasets.load_dataset(
                name, config, cache_dir=None if cache_dir is None else str(cache_dir)
            )
        except Exception as error:  # the hub's own errors are of many classes
            failed = failed or error
            continue
        assert isinstance(found, datasets.DatasetDict)
        names = {_SPLIT_OF.get(str(split), str(split)): split for split in found}
        for other in ("dev", "validation", "valid"):
            if other in found:
                names["dev"] = other
        return {
            split: from_features(found[names[split]], options)
            for split in SPLITS
            if split in names
        }
    told = str(failed).splitlines()[0] if str(failed) else repr(failed)
    raise DataError(
        f"--data hub:{spec} cannot be loaded: {type(failed).__name__}: {told}; the hub "
        "needs a network connection (or a copy in the cache)"
    ) from failed


def from_features(rows: datasets.Dataset, options: Options) -> datasets.Dataset:
    """Return the columns that a task needs, found by their features.

    Args:
        rows: of any columns.
        options: names of the columns, where they are not to be found.

    Returns:
        Rows as `load` gives them; numbers of classes become their names.

    Raises:
        DataError: if there is no such column.
    """
    features = _features(options.kind)

    def inner(feature: Any) -> Any:
        return getattr(feature, "feature", None)

    def choose(flag: str | None, fits: Any, names: tuple[str, ...], what: str) -> str:
        if flag is not None and flag in rows.column_names:
            return flag
        found = [name for name, f in rows.features.items() if fits(f)]
        ranked = [n for n in names if n in found] or found
        if flag is not None or not ranked:
            told = ", ".join(f"{n}: {f}" for n, f in rows.features.items())
            raise DataError(f"expected a column of {what}, found {told}"[:600])
        return ranked[0]

    def is_string(feature: Any) -> bool:
        return isinstance(feature, datasets.Value) and "string" in feature.dtype

    def is_label(feature: Any) -> bool:
        return isinstance(feature, datasets.ClassLabel) or is_string(feature)

    def names_of(feature: Any, value: Any) -> str:
        return (
            str(feature.int2str(value))
            if isinstance(feature, datasets.ClassLabel)
            else str(value)
        )

    if options.kind in ("tagged", "entities"):
        of_tokens = choose(
            options.token_column, lambda f: is_string(inner(f)), records.TOKENS, "words"
        )
        of_tags = choose(
            options.tag_column,
            lambda f: is_label(inner(f)) and f is not rows.features[of_tokens],
            ("ner_tags",) if options.kind == "entities" else ("upos", "pos_tags"),
            "tags",
        )
        feature = inner(rows.features[of_tags])

        def tagged(row: dict[str, Any]) -> dict[str, Any]:
            tags = [names_of(feature, tag) for tag in row[of_tags]]
            return {"tokens": row[of_tokens], "tags": tags}

        found = rows.map(tagged, remove_columns=rows.column_names, features=features)
        if options.kind == "entities":
            scheme = schemes.detect(row["tags"] for row in found)  # pyright: ignore
            found = found.map(
                lambda row: {"tags": schemes.to_bio2(row["tags"], scheme)}
            )
        return found
    of_text = choose(options.text_column, is_string, TEXTS, "texts")
    if options.kind == "text":
        return rows.map(
            lambda row: {"text": row[of_text] + "\n"},
            remove_columns=rows.column_names,
            features=features,
        )
    of_label = choose(
        options.label_column,
        lambda f: is_label(f) and f is not rows.features[of_text],
        LABELS,
        "labels",
    )
    feature = rows.features[of_label]
    return rows.map(
        lambda row: {"text": row[of_text], "label": names_of(feature, row[of_label])},
        remove_columns=rows.column_names,
        features=features,
    )


def _by_share(parts, seed) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """Take the missing splits from train: equal texts stay together."""
    notes = []
    missing = [name for name in ("dev", "test") if name not in parts]
    if not missing:
        return parts, notes
    train = parts["train"]
    column = "text" if "text" in train.column_names else "tokens"
    groups: dict[Any, list[int]] = {}
    for k, row in enumerate(train.select_columns([column])):
        value = row[column]
        groups.setdefault(value if isinstance(value, str) else tuple(value), []).append(
            k
        )
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    parts = dict(parts)
    share = int(len(train) * SHARE)
    for name in missing:
        taken: list[int] = []
        while order and len(taken) < share:
            taken += order.pop()
        parts[name] = train.select(sorted(taken))
        notes.append(
            f"no {name} data: {len(taken):,} rows of train are used, drawn with seed "
            f"{seed}"
        )
    parts["train"] = train.select(sorted(k for group in order for k in group))
    return parts, notes


def _by_position(parts, seed) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """Take the missing splits from the end of the text."""
    notes = []
    parts = dict(parts)
    if "dev" not in parts and "test" in parts:
        parts["dev"] = parts["test"]
        notes.append("no dev data: the test text is used")
    elif "dev" not in parts:
        train = parts["train"]
        ends = np.cumsum([len(row["text"]) for row in train])
        cut = int(ends[-1] * (1 - SHARE)) if len(ends) else 0
        k = int(np.searchsorted(ends, cut, side="right"))
        if not len(ends) or k == len(ends):
            raise DataError("the text is too short to take a dev split from it")
        inside = cut - (int(ends[k - 1]) if k else 0)
        text = train[k]["text"]

        def piece(part: str) -> datasets.Dataset:
            return datasets.Dataset.from_list([{"text": part}], features=train.features)

        first = [train.select(range(k)), piece(text[:inside])]
        last = [piece(text[inside:]), train.select(range(k + 1, len(train)))]
        parts["train"] = datasets.concatenate_datasets(first if inside else first[:1])
        parts["dev"] = datasets.concatenate_datasets(last)
        notes.append(
            f"no dev data: the last {ends[-1] - cut:,} of {ends[-1]:,} characters are "
            "used"
        )
    if "test" not in parts:
        parts["test"] = parts["dev"]
        notes.append("no test data: the dev text is used")
    return parts, notes
