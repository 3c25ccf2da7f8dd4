"""The pages of docs/: what they tell to do works, and their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import pages
from tests.helpers.training import ROOT, environment, finished

DOCS = {path.name: path for path in sorted((ROOT / "docs").rglob("*.md"))}
LINK = re.compile(r"\]\(([^):#]+)(?:#([^)]+))?\)")


@pytest.mark.parametrize("page", [name for name in DOCS if pages.blocks(DOCS[name])])
def test_the_blocks_of_a_page_run(page, tmp_path, tmp_path_factory):
    """In one folder, one after the other; `tests/parity` runs those of PyTorch."""
    env = environment(tmp_path_factory)
    trained = pages.trained(DOCS[page])
    for task in {words[2] for words in trained}:
        finished(task, tmp_path_factory)
    made = Path(env["JAX_COMPILATION_CACHE_DIR"]).parent / "finished"
    run = subprocess.run(
        [sys.executable, pages.__file__, DOCS[page], made],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    for words in trained:
        assert (tmp_path / words[words.index("--out") + 1] / "report.html").exists()


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.values()])
def test_links_lead_somewhere(page):
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
