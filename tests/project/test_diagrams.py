"""The diagrams in docs/diagrams/ are up to date and translated."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.helpers.training import ROOT

DIAGRAMS = ROOT / "docs" / "diagrams"


def test_the_script_writes_the_committed_diagrams(tmp_path):
    subprocess.run([sys.executable, DIAGRAMS / "make.py", tmp_path], check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in DIAGRAMS.glob("*.svg")}


@pytest.mark.parametrize(
    "path", sorted(DIAGRAMS.glob("*.ru.svg")), ids=lambda p: p.name
)
def test_both_languages_have_the_same_shapes(path):
    def shapes(name):
        root = ET.parse(DIAGRAMS / name).getroot()
        return [element.tag for element in root if not element.tag.endswith("text")]

    assert shapes(path.name) == shapes(path.name.replace(".ru.svg", ".svg"))
