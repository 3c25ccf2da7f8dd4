"""The blocks of the pages that need other libraries run."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.helpers.training import ROOT

PAGES = ("from-torch.md", "weights.md")
LIBRARIES = [
    (page, library)
    for page in PAGES
    for library in sorted(
        set(re.findall(r"^```python (\w+)$", (ROOT / "docs" / page).read_text(), re.M))
    )
]


@pytest.mark.parametrize(("page", "library"), LIBRARIES)
def test_the_blocks_of_a_library_run(tmp_path, page, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip("these blocks need the extra: pip install -e '.[parity]'")
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    # Those without a library too: a block may use the imports of an earlier one.
    blocks = re.findall(rf"^```python(?: {library})?\n(.*?)^```$", text, re.M | re.S)
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,  # some write files
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
