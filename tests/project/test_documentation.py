"""Docstrings, README, example and certificate are consistent with the code."""

import csv
import inspect
import math
import os
import re
import subprocess
import sys
from operator import attrgetter
from typing import Any

import jax
import pytest
from flax import nnx

import zoo
from benchmarks.cells import PAGE, TABLE, page
from tests.helpers.training import ROOT

PUBLIC_MODULES = (
    *("attention", "crf", "decoding", "diagnostics", "initializers", "interop"),
    *("models", "pooling", "regularizers", "text", "text.vectors"),
)


def public_objects() -> dict[str, Any]:
    """Return the public functions, classes and methods of the library by name."""
    objects: dict[str, Any] = {}
    modules: dict[str, Any] = {"zoo": zoo}
    for name in PUBLIC_MODULES:
        modules[f"zoo.{name}"] = attrgetter(name)(zoo)
    for space, module in modules.items():
        for name, value in vars(module).items():
            defined_in = getattr(value, "__module__", None) or ""
            if name.startswith("_") or not defined_in.startswith("zoo"):
                continue
            if inspect.isfunction(value):
                objects[f"{space}.{name}"] = value
            elif inspect.isclass(value):
                objects[f"{space}.{name}"] = value
                for method, function in vars(value).items():
                    is_public = method == "__init__" or not method.startswith("_")
                    if inspect.isfunction(function) and is_public:
                        objects[f"{space}.{name}.{method}"] = function
    return {k: v for k, v in objects.items() if "NamedTuple" not in str(v)}


PUBLIC = public_objects()


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_list_the_arguments(name):
    value = PUBLIC[name]
    if inspect.isclass(value):
        assert value.__doc__, f"{name} has no docstring"
        return
    if value.__qualname__.split(".")[0].endswith("State"):
        return  # a NamedTuple: the docstring of the class lists the fields
    assert value.__doc__, f"{name} has no docstring"
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    names = [
        stars.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(value).parameters.items()
        if name != "self"
    ]
    section = re.search(r"Args:\n(.*?)(\n\s*\n|\Z)", inspect.getdoc(value) or "", re.S)
    documented = re.findall(r"^    (\*{0,2}\w+):", section[1], re.M) if section else []
    bases = (zoo.Cell, zoo.LinearCell, zoo.MatrixCell)
    inherited = {method for base in bases for method in vars(base)} - {"__init__"}
    # The base class documents the arguments of a cell's methods.
    if documented or value.__name__ not in inherited:
        assert documented == names


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_readme_blocks_run():
    (code,) = blocks("python")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "total" in run.stdout


def test_example_learns():
    example = ROOT / "examples" / "recall.py"
    # It runs for longer than it compiles.
    env = {**os.environ, "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false"}
    run = subprocess.run(
        [sys.executable, example], env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    loss = float(re.findall(r"loss (\S+)", run.stdout)[-1])
    assert loss < 0.01, run.stdout


def test_the_certificate_is_up_to_date():
    """Every cell has been compared, and the page describes the current code."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    missing = set(zoo.cells()) ^ {row["cell"] for row in rows}
    assert not missing, f"{missing}: run python benchmarks/cells.py"
    assert PAGE.read_text() == page(rows), "run: python benchmarks/cells.py"


@pytest.mark.parametrize("name", zoo.cells())
@pytest.mark.parametrize("D, H", [(3, 4), (4, 4), (5, 8)])
def test_parameter_count_equals_the_formula(name, D, H):
    cell = zoo.cells()[name]
    params = nnx.state(nnx.eval_shape(lambda: cell(D, H, rngs=nnx.Rngs(0))), nnx.Param)
    count = sum(math.prod(p.shape) for p in jax.tree.leaves(params))
    assert count == eval(cell.parameters, {"D": D, "H": H, "max": max})
