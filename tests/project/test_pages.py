"""The pages of docs/: their code runs, prints the output they show, and links work."""

import re
import sys
from pathlib import Path

import pytest

from tests.helpers import pages
from tests.helpers.training import ROOT, finished, finished_runs

DOCS = {path.name: path for path in sorted((ROOT / "docs").rglob("*.md"))}
LINK = re.compile(r"\]\(([^):#]+)(?:#([^)]+))?\)")
OUTPUT = re.compile(r"^```python\n(?:(?!```).)*```\n\n```text\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"^```.*?^```$", re.M | re.S)


WITH_BLOCKS = [name for name in DOCS if pages.blocks(DOCS[name])]


@pytest.mark.parametrize("page", [n for n in WITH_BLOCKS if not n.endswith(".ru.md")])
@pytest.mark.usefixtures("data_cache", "standard_promotion")
def test_the_blocks_of_a_page_run(
    page, tmp_path, tmp_path_factory, monkeypatch, capsys
):
    """All blocks run in order in one folder; `tests/parity` runs those of PyTorch.

    A translated page has the blocks and the outputs of the original.

    A ``text`` block right after a ``python`` block is its output.
    """
    training = pages.training_commands(DOCS[page])
    for task in {words[2] for words in training}:
        finished(task, tmp_path_factory)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])  # each command sets its own
    pages.run(DOCS[page], finished_runs(tmp_path_factory))
    printed = capsys.readouterr().out
    for words in training:
        assert (tmp_path / words[words.index("--out") + 1] / "report.html").exists()
    for output in OUTPUT.findall(DOCS[page].read_text(encoding="utf-8")):
        assert output in printed


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.values()])
def test_links_have_a_target(page):
    for name, heading in LINK.findall(page.read_text(encoding="utf-8")):
        path = page.parent / name
        assert path.exists(), name
        if heading:
            text = path.read_text(encoding="utf-8")
            title = heading.replace("-", "[- ]")
            assert re.search(rf"^#+ {title}$", text, re.M | re.I), heading


def test_the_index_names_every_page():
    links = LINK.findall(DOCS["README.md"].read_text(encoding="utf-8"))
    assert set(DOCS) - {"README.md"} <= {Path(name).name for name, _ in links}


@pytest.mark.parametrize("page", [name for name in DOCS if name.endswith(".ru.md")])
def test_a_translated_page_has_the_structure_of_the_original(page):
    def structure(path):
        text = path.read_text(encoding="utf-8")
        # Comments in code and words in equations are translated, code is not.
        code = [b for b in CODE.findall(text) if not b.startswith("```text\n")]
        code = [re.sub(r"\s*#.*", "", block) for block in code]
        headings = re.findall(r"^#+", CODE.sub("", text), re.M)
        return code, headings, OUTPUT.findall(text), len(CODE.findall(text))

    assert structure(DOCS[page]) == structure(DOCS[page.replace(".ru.md", ".md")])
