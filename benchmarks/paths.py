"""Folders that the benchmarks read and write."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TEMPLATES = ROOT / "benchmarks" / "templates"
PAGES = ROOT / "docs" / "generated"
