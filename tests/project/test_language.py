"""The text of the project is plain technical English.

`PHRASES` lists phrases to avoid, and what to write instead. Every tracked source file
and page is searched for them.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.training import ROOT

SUFFIXES = {".py", ".md", ".toml", ".h", ".cc", ".cu", ".css", ".html", ".js", ".in"}
SUFFIXES |= {".txt", ".sh"}
# White space in a phrase; after a line break, the comment sign of the next line.
GAP = r"\s+(?:(?:#|//)\s*)?"


class Phrase(NamedTuple):
    """A phrase to avoid.

    Attributes:
        pattern: a regular expression; a space matches any white space. Without capital
            letters it ignores case.
        instead: what to write.
        under: only files whose path begins with this.
    """

    pattern: str
    instead: str
    under: str = ""


PHRASES = [
    Phrase("begin torch|how (?:a|the) cells? begins?", "torch initialisation"),
    Phrase("made ahead of", "precomputed before"),
    Phrase("frugal", "recompute"),
    Phrase("stands? beside", "is next to"),
    Phrase("likeliest", "most likely; argmax"),
    Phrase("surest", "most confident"),
    Phrase("learnt by heart", "overfitted"),
    Phrase("taken together", "computed in parallel over time"),
    Phrase("ha(?:s|ve) the gradient", "defines a VJP"),
    Phrase("the gradient of the gradient", "second derivatives"),
    Phrase("told by content", "detected from the content"),
    Phrase("gives? on|goes? on from|is carried on", "returns; continues from"),
    Phrase("goes? on with|go on where", "continues with"),
    Phrase("if asked", "on request; or name the option"),
    Phrase("(?:hear|knows?|knew) of", "name what it depends on"),
    Phrase("tells all of it", "has the details"),
    Phrase("of pytorch's time", "1.2 to 2.6x as fast as"),
    Phrase("stays? whole", "is unchanged"),
    Phrase("a line an epoch|one a line|a page a task", "one per line"),
    Phrase("(?:nats|bits) a character", "per character"),
    Phrase("in which time", "training times"),
    Phrase("what (?:came|comes) out", "results; output"),
    Phrase("what there is besides", "more features"),
    Phrase("takes? a model apart|taken apart", "splits"),
    Phrase("in (?:its|their) stead", "instead"),
    Phrase("in (?:its|their) turn", "then"),
    Phrase("comes? along", "are converted"),
    Phrase("thereof|therein|whereof|whence|thence|hereby|upon|ought", "plain words"),
    Phrase("fading", "gradient_decay"),
    Phrase("Half", "Bfloat16; Float16 is another type", "native/kernels/"),
    Phrase("hangs on", "depends on"),
    Phrase("as told|told (?:at|in|by)", "see"),
    Phrase("(?:is|are|be) told", "message; see"),
    Phrase("gradients? by [xWUbhcypqa]", "gradient with respect to"),
    Phrase(r"found(?= =|\.[a-z]|\[)", "a name for what it is: scores, rows, result"),
    Phrase("names the way", "says what to pass"),
    Phrase("in the place of", "instead of"),
    Phrase("kept apart", "kept separate"),
    Phrase("obstacle", "the reason; unavailable"),
    Phrase("names the way", "says what to pass"),
    Phrase("kept apart", "kept separate"),
    Phrase("anew", "again"),
    Phrase("by_[xWUbhcypqa]", "d_x"),
    Phrase("at once", "in parallel; in one step", "zoo/"),
]


def files() -> list[Path]:
    """Return the tracked files of text and code, without this one."""
    command = ["git", "ls-files", "-z"]
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = run.stdout.decode().split("\0")
    paths = [
        ROOT / name
        for name in names
        if Path(name).suffix in SUFFIXES or name.startswith(".ci/")
    ]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def matches(phrase: Phrase, text: str) -> list[int]:
    """Return the numbers of the lines in which a phrase begins."""
    ignore = re.IGNORECASE if phrase.pattern.islower() else re.NOFLAG
    pattern = rf"\b(?:{phrase.pattern})\b".replace(" ", GAP)
    starts = [match.start() for match in re.finditer(pattern, text, ignore)]
    return [text.count("\n", 0, start) + 1 for start in starts]


def test_no_file_has_a_phrase_to_avoid():
    errors = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for phrase in PHRASES:
            if not name.startswith(phrase.under):
                continue
            errors += [
                f"{name}:{line}: {phrase.pattern!r}: write {phrase.instead!r}"
                for line in matches(phrase, text)
            ]
    assert not errors, "\n".join(errors)


def test_no_file_has_the_marks_of_a_merge():
    for path in files():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^(<{7}|>{7})( |$)", text, re.MULTILINE), path


def test_a_phrase_is_found_across_lines_and_cases():
    phrase = Phrase("made ahead of", "precomputed before")
    assert matches(phrase, "a\n# Made ahead\n# of the loop") == [2]
    assert matches(phrase, "    made\n    ahead of the loop") == [1]
    assert matches(phrase, "remade ahead of; made, ahead of") == []
    assert matches(Phrase("Half", ""), "half\nHalf\nHalfway") == [2]
