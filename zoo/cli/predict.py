"""``python -m zoo predict``: the predictions of a trained model."""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from zoo import checks
from zoo.cli.lines import check_bytes, lines
from zoo.cli.model import TrainedModel
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


@dataclass(frozen=True)
class Predict(TrainedModel):
    """Classify, tag or translate texts with a trained model.

    Texts come from the arguments, from --file, or from standard input, one per line.
    There is one output for each: a blank line is an empty text.
    """

    texts: Positional[tuple[str, ...]] = ()
    """Texts, each in quotes."""
    file: Path | None = None
    """Read one text per line from this file; - is standard input."""
    encoding: str = "utf-8"
    """Encoding of --file or of standard input, such as utf-16, latin-1 or cp1251."""
    json: bool = False
    """Print one JSON object per text."""
    pretokenized: bool = False
    """Tagging: the texts are tokenised; split them at spaces."""
    batch_size: int = 32
    """Texts per batch."""
    beam: int | None = None
    """Sequence to sequence: width of the beam search, by default 4; 1 is greedy."""
    n_best: int | None = None
    """Sequence to sequence: number of outputs per text, by default 1."""
    length_penalty: float | None = None
    """Sequence to sequence: larger favours long outputs; by default 1."""
    coverage_penalty: float | None = None
    """Sequence to sequence: larger favours complete outputs; by default 0."""
    attention: Path | None = None
    """Sequence to sequence: plot the attention weights into this image file."""

    def main(self) -> None:
        """Print the predictions."""
        checks.positive("--batch-size", self.batch_size)
        pipeline: Any = self.load()
        options = self._options(pipeline.kind)
        plotted, number = [], 0
        if isinstance(pipeline, LanguageModelPipeline):
            raise ValueError(
                f"{self.run} is a language model: use python -m zoo generate"
            )
        for texts in _batches(self._texts(), 16 * self.batch_size):
            inputs: list[Any] = texts
            if self.pretokenized and pipeline.kind == "tagger":
                inputs = [text.split() for text in texts]
            results = pipeline.predict(inputs, batch_size=self.batch_size, **options)
            if self.attention is not None:
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
                if self.json:
                    record = {"text": text, **dataclasses.asdict(result)}
                    print(visible_json(json.dumps(record, ensure_ascii=False)))
                else:
                    entities = bool(pipeline.options.get("bio_labels"))
                    print(show(text, result, entities=entities))
            sys.stdout.flush()
        if self.attention is not None:
            plots.attention(plotted, self.attention)

    def _options(self, kind: str) -> dict[str, Any]:
        """Return the options of the beam search that are set."""
        names = ("beam", "n_best", "length_penalty", "coverage_penalty", "attention")
        options = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if options and kind != "seq2seq":
            flag = next(iter(options)).replace("_", "-")
            raise ValueError(f"--{flag} is for seq2seq; {self.run} is a {kind}")
        if "n_best" in options:
            options.setdefault("beam", max(4, self.n_best or 1))
        return options | ({"attention": True} if self.attention is not None else {})

    def _texts(self) -> Iterator[str]:
        """Yield the texts, without line ends."""
        encoding = sys.getfilesystemencoding()
        for number, text in enumerate(self.texts, 1):
            yield check_bytes(text, f"text {number}", encoding)
        if self.file is not None and str(self.file) != "-":
            yield from lines(self.file, self.encoding)
        elif self.file is not None or not self.texts:
            if sys.stdin.isatty():
                print("reading texts, one per line (Ctrl-D ends)", file=sys.stderr)
            yield from lines(None, self.encoding)


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
