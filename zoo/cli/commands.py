"""Use trained models from the command line: ``python -m zoo COMMAND``."""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from tyro.conf import Positional, subcommand

from zoo import artifact, checks
from zoo.diagnostics import plots
from zoo.pipelines import (
    Classification,
    LanguageModelPipeline,
    Pipeline,
    Reading,
    Tagging,
    Writing,
)
from zoo.registry import cells

MOST_PICTURES = 10
COLORS = {"PER": 35, "ORG": 34, "LOC": 32, "MISC": 33}


@dataclass(frozen=True)
class Predict:
    """Label texts, tag sentences or write their counterparts, with a trained model.

    Texts are taken from the arguments, from --file, or from the standard input, one a
    line.
    """

    run: Positional[Path]
    """Run folder, or the model in it."""
    texts: Positional[tuple[str, ...]] = ()
    """Texts, each in quotes."""
    file: Path | None = None
    """Read one text a line from this file; - is the standard input."""
    json: bool = False
    """One JSON object a text."""
    pretokenized: bool = False
    """Tagging: words are separated by spaces already."""
    batch_size: int = 32
    """Texts handled at once."""
    beam: int | None = None
    """Sequence to sequence: texts kept while writing, by default 4; 1 is greedy."""
    n_best: int | None = None
    """Sequence to sequence: show so many of them, by default the best."""
    length_penalty: float | None = None
    """Sequence to sequence: favours long texts; by default 1."""
    coverage_penalty: float | None = None
    """Sequence to sequence: favours texts that leave out nothing; by default 0."""
    attention: Path | None = None
    """Sequence to sequence: draw where the decoder looked into this picture."""

    def main(self) -> None:
        """Print what the model finds."""
        pipeline: Any = artifact.load(self.run)
        options = self._options(pipeline.kind)
        shown = []
        if isinstance(pipeline, LanguageModelPipeline):
            raise ValueError(
                f"{self.run} holds a language model: use python -m zoo generate"
            )
        for texts in _batches(self._texts(), 16 * self.batch_size):
            inputs: list[Any] = texts
            if self.pretokenized and pipeline.kind == "tagger":
                inputs = [text.split() for text in texts]
            found = pipeline.predict(inputs, batch_size=self.batch_size, **options)
            if self.attention is not None:
                shown += found
                if len(shown) > MOST_PICTURES:
                    raise ValueError(f"--attention draws {MOST_PICTURES} texts at most")
            for text, result in zip(texts, found, strict=True):
                if self.json:
                    told = {"text": text, **dataclasses.asdict(result)}
                    print(json.dumps(told, ensure_ascii=False))
                else:
                    print(show(text, result))
            sys.stdout.flush()
        if self.attention is not None:
            plots.attention(shown, self.attention)

    def _options(self, kind: str) -> dict[str, Any]:
        """Return the options of writing that were given."""
        names = ("beam", "n_best", "length_penalty", "coverage_penalty", "attention")
        given = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if given and kind != "seq2seq":
            flag = next(iter(given)).replace("_", "-")
            raise ValueError(f"--{flag} is for seq2seq; {self.run} holds a {kind}")
        if "n_best" in given:
            given.setdefault("beam", max(4, self.n_best or 1))
        return given | ({"attention": True} if self.attention is not None else {})

    def _texts(self) -> Iterator[str]:
        """Yield the texts, without line ends."""
        yield from self.texts
        if self.file is not None and str(self.file) != "-":
            with self.file.open(encoding="utf-8") as lines:
                yield from (line.rstrip("\n") for line in lines if line.strip())
        elif self.file is not None or not self.texts:
            if sys.stdin.isatty():
                print("reading texts, one a line (Ctrl-D ends)", file=sys.stderr)
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())


@dataclass(frozen=True)
class Generate:
    """Write text with a trained language model, as it is made."""

    run: Positional[Path]
    """Run folder, or the model in it."""
    prompt: str = ""
    """The text to go on from."""
    length: int = 500
    """Characters to write."""
    temperature: float = 0.8
    """Below 1 the likely is preferred; 0 always takes the argmax."""
    top_k: int | None = None
    """Draw among so many of the argmax characters only."""
    top_p: float | None = None
    """Draw among the argmax that together have this probability only."""
    seed: int = 0
    """Of the draws."""

    def main(self) -> None:
        """Print the prompt and what follows."""
        pipeline = artifact.load(self.run)
        if not isinstance(pipeline, LanguageModelPipeline):
            raise ValueError(
                f"{self.run} holds a {pipeline.kind}: use python -m zoo predict"
            )
        made = pipeline.generate(
            self.prompt,
            self.length,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=self.seed,
        )
        print(self.prompt, end="", flush=True)
        for piece in made:
            print(piece, end="", flush=True)
        print()


@dataclass(frozen=True)
class Serve:
    """Show a page to type into, where a trained model answers.

    It needs gradio: pip install 'rnn-zoo[serve]'.
    """

    run: Positional[Path]
    """Run folder, or the model in it."""
    host: str = "127.0.0.1"
    """Address to listen on; by default no other machine sees the page."""
    port: int = 0
    """Port to listen on; 0 is a free one."""

    def main(self) -> None:
        """Load the model, print the address of its page, and stay until Ctrl-C."""
        from zoo.cli.serve import serve  # its library is large, and optional

        title = artifact.about(self.run).get("task", "")
        serve(artifact.load(self.run), self.host, self.port, title)


@dataclass(frozen=True)
class Info:
    """Show what a trained model is: kind, options, sizes, scores."""

    run: Positional[Path]
    """Run folder, or the model in it."""

    def main(self) -> None:
        """Print it."""
        about = artifact.about(self.run)
        pipeline = artifact.load(self.run)
        count = sum(leaf.size for leaf in jax.tree.leaves(pipeline.params))
        for name, value in {**about, "parameters": f"{count:,}"}.items():
            print(f"{name:<16} {value}")
        print("options")
        for name, value in pipeline.options.items():
            print(f"  {name:<14} {value}")
        for name, size in sizes(pipeline).items():
            print(f"{name:<16} {size}")


@dataclass(frozen=True)
class Cells:
    """List the cells; with names, show what they compute."""

    names: Positional[tuple[str, ...]] = ()
    """Cells whose equations are shown."""

    def main(self) -> None:
        """Print them."""
        known = cells()
        if not self.names:
            rows = [("name", "family", "parameters", "paper")]
            rows += [
                (name, cell.family, cell.parameters, cell.paper)
                for name, cell in known.items()
            ]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                padded = map(str.ljust, row, widths)
                print("  ".join(padded).rstrip())
        for name in self.names:
            cell = known[checks.one_of("the name of a cell", name, known)]
            print(f"{name}: zoo.{cell.__name__}, {cell.paper}")
            print(f"  parameters  {cell.parameters}")
            for line in cell.equation.split("; "):
                print(f"  {line}")


def sizes(pipeline: Pipeline) -> dict[str, str]:
    """Return the sizes of a pipeline's vocabularies, and its labels.

    Args:
        pipeline: any.
    """
    found: dict[str, str] = {}
    for name in ("text", "words", "source", "target"):
        encoder = getattr(pipeline, name, None)
        for part in ("vocabulary", "words", "chars"):
            if hasattr(encoder, part):
                told = name if name in ("source", "target") else part
                found[told] = f"{len(getattr(encoder, part)):,} entries"
    labels = getattr(pipeline, "labels", None)
    if labels is not None:
        found["labels"] = ", ".join(labels.tokens)
    return found


def show(text: str, result: Classification | Reading | Tagging | Writing) -> str:
    """Return a result as a person reads it.

    Args:
        text: what was read.
        result: what was found.
    """
    if isinstance(result, Classification):
        return f"{result.label}  {result.probability:.3f}  {text}"
    if isinstance(result, Reading):
        return str(result.answer)
    if isinstance(result, Writing):
        lines = [f"{output.score:>9.3f}  {output.text}" for output in result.outputs]
        return "\n".join([text, *lines])
    if result.entities or set(result.tags) == {"O"}:
        return _entities(result)
    widths = [
        max(len(a), len(b)) for a, b in zip(result.tokens, result.tags, strict=True)
    ]
    rows = (result.tokens, result.tags)
    lines = [
        "  ".join(f"{part:<{w}}" for part, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _entities(result: Tagging) -> str:
    """Return a sentence with its names marked: in colour on a terminal."""
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    words = list(result.tokens)
    for entity in result.entities:
        last = entity.stop - 1
        if color:
            code = COLORS.get(entity.label, 36)
            words[entity.start] = f"\x1b[1;{code}m{words[entity.start]}"
            words[last] += f"\x1b[0m\x1b[{code}m/{entity.label}\x1b[0m"
        else:
            words[entity.start] = f"[{words[entity.start]}"
            words[last] += f"]/{entity.label}"
    return " ".join(words)


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of up to `size` items; of a terminal's lines, each at once."""
    size = 1 if sys.stdin.isatty() else size
    found: list[str] = []
    for item in items:
        found.append(item)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found


def main() -> None:
    """Read the command line and run the command."""
    command = tyro.cli(
        Annotated[Predict, subcommand("predict")]
        | Annotated[Generate, subcommand("generate")]
        | Annotated[Serve, subcommand("serve")]
        | Annotated[Info, subcommand("info")]
        | Annotated[Cells, subcommand("cells")],  # pyright: ignore[reportArgumentType]
        description="Use trained recurrent networks.",
    )
    try:
        command.main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as in `| head`: no message, and none at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise SystemExit(130) from None
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
