"""The predictions of a trained model, as text and as JSON."""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from zoo import checks
from zoo.cli.lines import check_bytes, lines
from zoo.cli.predict import Predict
from zoo.cli.terminal import visible, visible_json
from zoo.diagnostics import plots
from zoo.pipelines import (
    Classification,
    LanguageModelPipeline,
    Reading,
    Tagging,
    Writing,
)

MAX_PLOTS = 10
MAX_CHARACTERS = 1 << 20  # of the texts that are predicted and printed together
COLORS = {"PER": 35, "ORG": 34, "LOC": 32, "MISC": 33}


def predict(options: Predict) -> None:
    """Print the predictions of the texts.

    Args:
        options: the model, the texts, and how they are printed.

    Raises:
        OSError: if there is no model, or a text cannot be read.
        ValueError: if an option is out of its range, or not for the model.
    """
    checks.positive("--batch-size", options.batch_size)
    pipeline: Any = options.load()
    search = _search(options, pipeline.kind)
    plotted, number = [], 0
    if isinstance(pipeline, LanguageModelPipeline):
        raise ValueError(f"{options.run} is a language model: use zoo generate")
    for texts in _batches(_texts(options), 16 * options.batch_size):
        inputs: list[Any] = texts
        if options.pretokenized and pipeline.kind == "tagger":
            inputs = [text.split() for text in texts]
        results = pipeline.predict(inputs, batch_size=options.batch_size, **search)
        if options.attention is not None:
            plotted += results
            if len(plotted) > MAX_PLOTS:
                raise ValueError(f"--attention plots at most {MAX_PLOTS} texts")
        for text, result in zip(texts, results, strict=True):
            number += 1
            if unread := getattr(result, "unread", 0):
                print(
                    f"note: text {number}: its last {unread:,} tokens are not read",
                    file=sys.stderr,
                )
            if options.json:
                record = {"text": text, **dataclasses.asdict(result)}
                print(visible_json(json.dumps(record, ensure_ascii=False)))
            else:
                entities = bool(pipeline.options.get("bio_labels"))
                print(show(text, result, entities=entities))
        sys.stdout.flush()
    if options.attention is not None:
        plots.attention(plotted, options.attention)


def _search(options: Predict, kind: str) -> dict[str, Any]:
    """Return the options of the beam search that are set."""
    names = ("beam", "n_best", "length_penalty", "coverage_penalty", "attention")
    values = {name: getattr(options, name) for name in names}
    search = {name: value for name, value in values.items() if value is not None}
    if search and kind != "seq2seq":
        flag = next(iter(search)).replace("_", "-")
        raise ValueError(f"--{flag} is for seq2seq; {options.run} is a {kind}")
    if "n_best" in search:
        search.setdefault("beam", max(4, options.n_best or 1))
    return search | ({"attention": True} if options.attention is not None else {})


def _texts(options: Predict) -> Iterator[str]:
    """Yield the texts, without line ends."""
    encoding = sys.getfilesystemencoding()
    for number, text in enumerate(options.texts, 1):
        yield check_bytes(text, f"text {number}", encoding)
    if options.file is not None and str(options.file) != "-":
        yield from lines(options.file, options.encoding)
    elif options.file is not None or not options.texts:
        if sys.stdin.isatty():
            print("reading texts, one per line (Ctrl-D ends)", file=sys.stderr)
        yield from lines(None, options.encoding)


def show(
    text: str,
    result: Classification | Reading | Tagging | Writing,
    *,
    entities: bool = False,
) -> str:
    """Format a result; on a terminal, with escapes for the control characters of texts.

    Args:
        text: the input.
        result: the prediction.
        entities: whether the tags of a sentence are BIO2.
    """
    text = visible(text)
    if isinstance(result, Classification):
        return f"{visible(result.label)}  {result.probability:.3f}  {text}"
    if isinstance(result, Reading):
        return str(result.answer)
    if isinstance(result, Writing):
        outputs = [
            f"{output.score:>9.3f}  {visible(output.text)}" for output in result.outputs
        ]
        return "\n".join([text, *outputs])
    if entities:
        return _entities(result)
    rows = [list(map(visible, row)) for row in (result.tokens, result.tags)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = [
        "  ".join(f"{part:<{w}}" for part, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*columns, ""])


def _entities(result: Tagging) -> str:
    """Format a sentence with its entities marked, in colour on a terminal."""
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    words = list(map(visible, result.tokens))
    for entity in result.entities:
        last, label = entity.stop - 1, visible(entity.label)
        if color:
            code = COLORS.get(entity.label, 36)
            words[entity.start] = f"\x1b[1;{code}m{words[entity.start]}"
            words[last] += f"\x1b[0m\x1b[{code}m/{label}\x1b[0m"
        else:
            words[entity.start] = f"[{words[entity.start]}"
            words[last] += f"]/{label}"
    return " ".join(words)


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of up to `size` items; on a terminal, each line immediately."""
    size = 1 if sys.stdin.isatty() else size
    batch: list[str] = []
    num_characters = 0
    for item in items:
        batch.append(item)
        num_characters += len(item)
        if len(batch) == size or num_characters >= MAX_CHARACTERS:
            yield batch
            batch, num_characters = [], 0
    if batch:
        yield batch
