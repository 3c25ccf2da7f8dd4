"""The house is in order: imports go down, docstrings are true, the README runs."""

import ast
import csv
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from flax import nnx

import zoo
from benchmarks.cells import PAGE, TABLE, page

PUBLIC_MODULES = (
    *("attention", "crf", "decoding", "diagnostics", "initializers", "interop"),
    *("models", "pooling", "regularizers", "text"),
)
ROOT = Path(__file__).parents[2]
# Lowest first. A module imports only from its own floor and from floors below it.
FLOORS = [
    ["zoo.types", "zoo.checks"],
    ["zoo.functional", "zoo.summary", "zoo.initializers", "zoo.regularizers"]
    + ["zoo.text"],
    ["zoo.engine"],
    ["zoo.cells"],
    ["zoo.layers", "zoo.modules", "zoo.registry"],
    ["zoo.models"],
    ["zoo.pipelines", "zoo.interop", "zoo.diagnostics", "zoo.artifact"],
    ["zoo.cli", "zoo.__main__"],
    ["tasks.data"],
    ["tasks.scores"],
    ["tasks.metrics", "tasks.sequence_metrics", "tasks.baselines"],
    ["tasks.run"],
    ["tasks.base"],
    ["tasks.optimizers", "tasks.losses", "tasks.program", "tasks.rows"]
    + ["tasks.labels"]
    + ["tasks.tagging", "tasks.pair_preparation"]
    + ["tasks.classification", "tasks.pos", "tasks.ner", "tasks.charlm"]
    + ["tasks.seq2seq_pipeline", "tasks.seq2seq", "tasks.memory", "tasks.registry"],
    ["tasks.lab", "tasks.evaluate"],
    ["train"],
    ["benchmarks"],
]
ROOMS = ("zoo", "tasks", "benchmarks", "train.py")


def modules() -> dict[str, Path]:
    """Return the files of the library, the tasks and the benchmarks by module name."""
    paths = []
    for room in ROOMS:
        path = ROOT / room
        paths += [path] if path.is_file() else path.rglob("*.py")
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in paths}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


MODULES = modules()


def imports(path: Path, *, lazy: bool = True) -> set[str]:
    """Return the modules that a file imports, read from its text.

    Args:
        path: of the file.
        lazy: include imports inside functions and for type checkers only.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                names.add(name if name in MODULES else node.module)
    return names


def floor(module: str) -> int:
    """Return the floor of a module, or of the room that it is in."""
    for height, names in enumerate(FLOORS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return height
    raise AssertionError(f"{module} is on no floor: add it to FLOORS")


@pytest.mark.parametrize("module", [name for name in MODULES if name != "zoo"])
def test_imports_only_go_down(module):
    if module in ("tasks", "benchmarks"):
        return
    for name in imports(MODULES[module]) & MODULES.keys():
        if name == "zoo":  # all that is public: for programs on top of it
            assert not module.startswith("zoo."), f"{module} imports zoo"
        else:
            assert floor(name) <= floor(module), f"{module} imports {name}"


def test_no_modules_import_each_other():
    """No import cycle, inside a room or between rooms."""
    graph = {
        name: (imports(path, lazy=False) & MODULES.keys()) - {name}
        for name, path in MODULES.items()
    }
    for name, path in MODULES.items():
        if path.name == "__init__.py":  # it imports its own modules, by design
            graph[name] = {m for m in graph[name] if not m.startswith(name + ".")}
    # Take away what imports nothing that is left, until nothing or a cycle is left.
    while ready := {name for name, names in graph.items() if not names & graph.keys()}:
        graph = {name: names for name, names in graph.items() if name not in ready}
    assert not graph, f"import cycle among {sorted(graph)}"


@pytest.mark.parametrize("module", MODULES)
def test_rooms_do_not_know(module):
    """Cells know no time loop, the engine and the CRF no Flax, data no JAX."""
    forbidden = {
        "zoo.cells": ("zoo.engine.scan", "zoo.layers"),
        "zoo.engine": ("flax",),
        "zoo.modules.crf": ("flax",),
        "zoo.text": ("jax", "flax"),
        "tasks.data": ("jax", "flax", "zoo"),
    }
    for room, names in forbidden.items():
        if module == room or module.startswith(room + "."):
            for name in imports(MODULES[module]):
                bad = [n for n in names if name == n or name.startswith(n + ".")]
                assert not bad, f"{module} imports {name}"


@pytest.mark.parametrize("modules", ["zoo", "zoo.__main__, train, tasks.lab"])
def test_import_is_light(modules):
    """A program that shows its flags, or an error in them, does not wait."""
    code = f"import sys, {modules}; print(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    heavy = {"torch", "datasets", "matplotlib", "keras", "sklearn", "pandas", "scipy"}
    heavy |= {"gradio", "orbax", "tensorboardX", "seqeval", "sacrebleu", "jiwer"}
    heavy |= {"tasks"} if modules == "zoo" else set()
    assert run.returncode == 0, run.stderr
    assert not heavy & set(run.stdout.split())
    assert "interop" in dir(zoo)


def public():
    """Return the public functions, classes and methods of the library by name."""
    found = {}
    spaces = {"zoo": zoo}
    for name in PUBLIC_MODULES:
        spaces[f"zoo.{name}"] = getattr(zoo, name)
    for space, module in spaces.items():
        for name, value in vars(module).items():
            home = getattr(value, "__module__", None) or ""
            if name.startswith("_") or not home.startswith("zoo"):
                continue
            if inspect.isfunction(value):
                found[f"{space}.{name}"] = value
            elif inspect.isclass(value):
                found[f"{space}.{name}"] = value
                for method, function in vars(value).items():
                    own = method == "__init__" or not method.startswith("_")
                    if inspect.isfunction(function) and own:
                        found[f"{space}.{name}.{method}"] = function
    return {k: v for k, v in found.items() if "NamedTuple" not in str(v)}


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_tells_the_arguments(name):
    value = PUBLIC[name]
    if inspect.isclass(value):
        assert value.__doc__, f"{name} has no docstring"
        return
    if value.__qualname__.split(".")[0].endswith("State"):
        return  # a NamedTuple: its fields stand in the class's docstring
    assert value.__doc__, f"{name} has no docstring"
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    names = [
        stars.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(value).parameters.items()
        if name != "self"
    ]
    section = re.search(r"Args:\n(.*?)(\n\s*\n|\Z)", inspect.getdoc(value) or "", re.S)
    told = re.findall(r"^    (\*{0,2}\w+):", section[1], re.M) if section else []
    bases = (zoo.Cell, zoo.LinearCell, zoo.MatrixCell)
    verbs = {verb for base in bases for verb in vars(base)} - {"__init__"}
    if told or value.__name__ not in verbs:  # those of a cell are told in the base
        assert told == names


def blocks(language: str) -> list[str]:
    """Return the README's blocks of code."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_readme_blocks_run():
    (use,) = blocks("python")
    run = subprocess.run([sys.executable, "-c", use], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "total" in run.stdout


def test_example_learns():
    example = ROOT / "examples" / "recall.py"
    run = subprocess.run([sys.executable, example], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loss = float(re.findall(r"loss (\S+)", run.stdout)[-1])
    assert loss < 0.01, run.stdout


def test_certificate_is_that_of_the_code():
    """Each cell has been compared, and the page tells what the code is."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["cell"] for row in rows} == set(zoo.cells())
    assert PAGE.read_text() == page(rows), "python benchmarks/cells.py writes it anew"


@pytest.mark.parametrize("name", zoo.cells())
@pytest.mark.parametrize("D, H", [(3, 4), (4, 4), (5, 8)])
def test_parameter_count_is_as_told(name, D, H):
    cell = zoo.cells()[name]
    made = nnx.eval_shape(lambda: cell(D, H, rngs=nnx.Rngs(0)))
    count = sum(math.prod(p.shape) for p in jax.tree.leaves(nnx.state(made, nnx.Param)))
    assert count == eval(cell.parameters, {"D": D, "H": H, "max": max})
