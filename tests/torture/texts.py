"""Odd texts for the tokenizers and for a pipeline of each kind.

The trials run in a process of their own, which is replaced if it hangs or dies.
"""

import gc
import itertools
import json
import math
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.helpers.pipelines import pipelines
from tests.helpers.training import ROOT
from tests.torture.report import resident_mb
from tests.torture.trial import Trial
from zoo.text.tokenizer import TOKENIZERS

SECONDS = 5.0  # CPU time of a trial whose programs are compiled
LIMIT = 120.0  # time of any trial
MEMORY_MB = 64  # growth after the first WARM trials, which compile the programs
WARM = 500
LONGEST = 64  # tokens that the pipelines read in one piece
LENGTHS = (0, 1, 2, 5, 20, 100, 100, 1_500, 20_000)
# What the patterns of the tokenizers and the reserved tokens consist of.
PARTS = (
    *"ab019@.+-_'#:;=8D/!?,<\"$ \n\t\r\0\x0b\x1b\x1c\x7f\x85\x9b",
    *("www.", "http://", "https://", "a.b@c.d", "n't", "'s", ":-D", "<3", "Mr.", ".."),
    *("<pad>", "<unk>", "<s>", "</s>", "▁", " unknown ", "Anna ", "the cat ", "hello"),
    *("é", "\u0301", "\u0903", "\u200d", "\u00ad", "\u0e33", "²", "٣", "\u066b", "א"),
    *("·", "’", "ア", "我", "👍", "🏽", "🇫🇷", "🇩", "‿", "\u2028", "\u202e", "\ufeff"),
    *("\ud800", "\udfff", "\ufffe", "\U0010ffff", "𝟘", "ß", "İ", "ﷺ"),
)


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield attempts to break the tokenizers and the pipelines.

    Args:
        seed: of the trials.
        folder: not used.
    """
    number = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.texts", str(seed), str(number)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        try:
            lines.get(timeout=10 * LIMIT)  # its pipelines are built
            while line := lines.get(timeout=LIMIT):
                yield Trial(*json.loads(line))
                number += 1
            yield Trial(str(number), "died", f"exit status {process.wait()}")
        except queue.Empty:
            yield Trial(str(number), "hangs", f"no result within {LIMIT:.0f} s")
        finally:
            process.kill()
            process.wait()
        number += 1


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Put the lines of a process into a queue, and an empty one at its end."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put("")


def _work(seed: int, start: int) -> None:
    """Print the trials from number `start` on, a line of JSON for each."""
    kinds = pipelines()
    for pipeline in kinds:
        pipeline.longest, pipeline.max_source = LONGEST, 4 * LONGEST
        pipeline.bind()
    attempts = [_tokenize, *map(_attempt, kinds)]
    memory = 0
    print("ready", flush=True)
    for number in itertools.count(start):
        name, outcome, failure = f"{number}", "", None
        try:
            for _ in range(2):  # at first, programs may be compiled
                begin = time.process_time()
                tried, outcome = attempts[number % len(attempts)](
                    random.Random(f"{seed} {number}")
                )
                name = f"{number}: {tried}"
                seconds = time.process_time() - begin
                if seconds <= SECONDS:
                    break
            else:
                outcome, failure = "too long", f"{seconds:.1f} s of CPU time"
        except Exception as error:
            outcome, failure = type(error).__name__, repr(error)[:500]
        if number - start >= WARM and (number - start) % WARM == 0:
            gc.collect()
            memory = memory or resident_mb()
            growth = resident_mb() - memory
            if growth > MEMORY_MB:
                failure = failure or f"{growth} MB more than after {WARM} trials"
        print(json.dumps([name, outcome, failure]), flush=True)


def _text(rng: random.Random, longest: int = LENGTHS[-1]) -> str:
    """Return a text: a run of few parts, or characters of all planes."""
    length = min(rng.choice(LENGTHS), longest)
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(length))
    parts = rng.sample(PARTS, rng.choice((1, 2, 3, 8, 30)))
    if kind == 1:  # start, unit, unit, unit, ..., end
        unit = "".join(parts[:3])
        return (rng.choice(PARTS) + unit * (length // len(unit)) + rng.choice(PARTS))[
            : length + 20
        ]
    text = "".join(rng.choice(parts) for _ in range(length))
    return text[:length] if kind == 2 else " ".join(text[:length])


def _either(rng: random.Random, valid: tuple[Any, ...], odd: tuple[Any, ...]) -> Any:
    """Return a valid option, now and then an odd one."""
    return rng.choice(odd if rng.random() < 0.08 else valid)


def _tokenize(rng: random.Random) -> tuple[str, str]:
    """Split a text; each character but white space is kept."""
    text = _text(rng)
    for name, split in TOKENIZERS.items():
        tokens = split(text)
        expected = "".join(text.split())
        if "".join("".join(tokens).split()) != expected or "" in tokens:
            raise AssertionError(f"{name} lost characters of {text[:100]!r}")
    return f"tokenize {text[:40]!r} of {len(text)}", "split"


def _attempt(pipeline: Any) -> Callable[[random.Random], tuple[str, str]]:
    """Return what tries a pipeline with random texts and options."""
    checks = {
        "classifier": _check_classification,
        "tagger": _check_tagging,
        "seq2seq": _check_writing,
    }

    def predict(rng: random.Random) -> tuple[str, str]:
        texts: list[Any] = [_text(rng) for _ in range(rng.choice((0, 1, 1, 2, 5)))]
        if rng.random() < 0.1:
            texts.insert(rng.randint(0, len(texts)), rng.choice((None, 3, b"a", 1.5)))
        options: dict[str, Any] = {"batch_size": _either(rng, (1, 8), (0, -1))}
        if pipeline.kind == "seq2seq":
            options["beam"] = _either(rng, (1, 4), (0,))
            options["n_best"] = _either(rng, (1,), (2, 4, 5))
            options["length_penalty"] = _either(rng, (0.5,), (math.inf, math.nan))
            options["attention"] = rng.random() < 0.3
        shown = ", ".join(f"{text[:20]!r}" for text in texts if isinstance(text, str))
        name = f"{pipeline.kind} [{shown}] {options}"
        try:
            results = pipeline.predict(texts, **options)
        except (TypeError, ValueError) as error:
            return name, _expected_error(error)
        if len(results) != len(texts):
            raise AssertionError(f"{len(results)} results of {len(texts)} texts")
        for text, result in zip(texts, results, strict=True):
            checks[pipeline.kind](pipeline, text, result)
        return name, "predicted"

    def generate(rng: random.Random) -> tuple[str, str]:
        options = {
            "temperature": _either(
                rng, (0, 1.0, 0.5, 1e-300, 1e300, math.inf), (-1, math.nan)
            ),
            "top_k": _either(rng, (None, 1, 3, 10**9), (0,)),
            "top_p": _either(rng, (None, 1e-300, 0.5, 1.0), (0.0, 2.0)),
            "seed": _either(rng, (0, 2**32 - 1, rng.randrange(2**32)), (-1, 2**64)),
        }
        length = _either(rng, (1, 10, 50), (0, -1))
        prompt = _text(rng, 3_000)
        name = f"generate {prompt[:20]!r}, {length}, {options}"
        try:
            pieces = list(pipeline.generate(prompt, length, **options))
        except (TypeError, ValueError) as error:
            return name, _expected_error(error)
        vocabulary = pipeline.text.vocabulary
        allowed = set(vocabulary.tokens[vocabulary.reserved :])
        if len(pieces) != length or not set(pieces) <= allowed:
            raise AssertionError(f"{pieces} from {name}")
        return name, "generated"

    return generate if pipeline.kind == "language_model" else predict


def _expected_error(error: Exception) -> str:
    """Return the outcome of an error if it is one of the project's own."""
    text = str(error)
    if " must " not in text or "\n" in text or "got " not in text:
        raise error
    return type(error).__name__


def _check_probabilities(values: Any) -> None:
    if not all(0.0 <= value <= 1.0 + 1e-5 for value in values):
        raise AssertionError(f"probabilities {list(values)[:20]}")


def _check_classification(pipeline: Any, text: str, result: Any) -> None:
    _check_probabilities(result.probabilities.values())
    if abs(sum(result.probabilities.values()) - 1.0) > 1e-4:
        raise AssertionError(f"probabilities {result.probabilities} of {text[:50]!r}")
    if result.label not in pipeline.labels.tokens:
        raise AssertionError(f"label {result.label}")


def _check_tagging(pipeline: Any, text: str, result: Any) -> None:
    _check_probabilities(result.probabilities)
    end = 0
    for token in result.tokens:  # parts of the text, in order
        end = text.index(token, end) + len(token)
    if not len(result.tokens) == len(result.tags) == len(result.probabilities):
        raise AssertionError(f"{len(result.tokens)} tokens, {len(result.tags)} tags")
    before = "O"
    for tag in result.tags:
        if tag.startswith("I-") and before[2:] != tag[2:]:
            raise AssertionError(f"{tag} after {before}")
        before = tag


def _check_writing(pipeline: Any, text: str, result: Any) -> None:
    vocabulary = pipeline.target.vocabulary
    allowed = set(vocabulary.tokens[vocabulary.reserved :])
    if len(result.source) + result.unread != len(pipeline.source.split(text)):
        raise AssertionError(f"{len(result.source)} tokens, {result.unread} unread")
    for output in result.outputs:
        if not set(output.tokens) <= allowed or not math.isfinite(output.score):
            raise AssertionError(f"{output} of {text[:50]!r}")
        for weights in output.attention or []:
            _check_probabilities(weights)
    if not result.outputs:
        raise AssertionError(f"no output of {text[:50]!r}")


if __name__ == "__main__":
    _work(*map(int, sys.argv[1:]))
