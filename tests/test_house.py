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
ROOT = Path(__file__).parent.parent
# Lowest first: a module imports only from its own floor or from those below it.
FLOORS = [
    ["types"],
    ["backend", "checks", "native", "products"],
    ["initializers", "regularizers", "loop", "linear", "chunks", "scan", "functional"]
    + ["summary", "subwords", "text"],
    ["cells"],
    [
        "layers",
        "registry",
        "deer",
        "embedding",
        "characters",
        "pooling",
        "attention",
        "crf",
    ],
    ["models", "decoding", "interop", "pipelines", "plots", "artifact", "__main__"]
    + ["diagnostics", "serve"],
]


def floor(module: str) -> int:
    """Return the floor on which ``zoo.name...`` lives."""
    name = module.split(".")[1]
    return next(k for k, names in enumerate(FLOORS) if name in names)


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports, from its text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module in ("zoo", "tasks"):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found


def test_imports_only_go_down():
    for path in (ROOT / "zoo").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module == "zoo.__init__":
            continue
        for name in imported(path):
            assert not name.startswith("tasks"), f"{module} imports {name}"
            if name.startswith("zoo."):
                assert floor(name) <= floor(module), f"{module} imports {name}"


# The same for the tasks.
TASK_FLOORS = [
    ["formats"],
    ["files", "shares", "store", "scratch"],
    ["hub"],
    ["data"],
    ["page", "units"],
    ["base", "batching", "board", "checkpoints", "plots"]
    + ["dates", "problems", "fading"],
    ["metrics", "sequence_metrics", "run", "rows", "optimizers"],
    ["sections"],
    ["screen", "report", "labelled", "lab_page"],
    ["tagging"],
    ["classification", "pos", "ner", "charlm", "seq2seq", "memory"],
    ["registry"],
    ["evaluate", "lab"],
]


def test_imports_of_the_tasks_only_go_down():
    def task_floor(name):
        name = name.split(".")[1]
        return next(k for k, names in enumerate(TASK_FLOORS) if name in names)

    for path in (ROOT / "tasks").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module == "tasks.__init__":
            continue
        for name in imported(path):
            if name.startswith("tasks."):
                assert task_floor(name) <= task_floor(module), f"{module}: {name}"
            knows = TASK_FLOORS.index(["data"])
            if task_floor(module) <= knows or module == "tasks.batching":
                assert name.split(".")[0] not in ("jax", "flax", "zoo"), module


def test_cells_know_no_time_and_the_loop_no_flax():
    for path in (ROOT / "zoo" / "cells").glob("*.py"):
        assert not {"zoo.scan", "zoo.layers"} & set(imported(path)), path
    assert not [n for n in imported(ROOT / "zoo" / "scan.py") if n.startswith("flax")]


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
    use, train = blocks("python")
    assert train in (ROOT / "examples" / "recall.py").read_text()
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
