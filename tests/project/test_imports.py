"""Imports between modules: from higher to lower levels, no cycles, none forbidden."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parents[2]
# From the lowest to the highest. A module may import from its own level and from lower
# ones.
LEVELS = [
    ["zoo.types", "zoo.checks", "zoo.version"],
    ["zoo.functional", "zoo.summary", "zoo.initializers", "zoo.regularizers"]
    + ["zoo.stochastic", "zoo.text"],
    ["zoo.engine"],
    ["zoo.cells"],
    ["zoo.layers", "zoo.modules", "zoo.registry"],
    ["zoo.models"],
    ["zoo.pipelines", "zoo.interop", "zoo.diagnostics", "zoo.artifact"]
    + ["zoo.export_states"],
    ["zoo.public"],
    ["zoo.server"],
    ["zoo.cli", "zoo.__main__"],
    ["zoo.tasks.disk"],
    ["zoo.tasks.data"],
    ["zoo.tasks.scores"],
    ["zoo.tasks.metrics", "zoo.tasks.sequence_metrics", "zoo.tasks.baselines"],
    ["zoo.tasks.ranges", "zoo.tasks.configs"],
    ["zoo.tasks.run", "zoo.tasks.processes", "zoo.tasks.native_log"],
    ["zoo.tasks.optimizer_state", "zoo.tasks.layer_groups"],
    ["zoo.tasks.base", "zoo.tasks.compile_ahead", "zoo.tasks.layout"]
    + ["zoo.tasks.streaming", "zoo.tasks.unfreezing", "zoo.tasks.layer_rates"],
    ["zoo.tasks.optimizers", "zoo.tasks.losses", "zoo.tasks.program", "zoo.tasks.rows"]
    + [
        "zoo.tasks.lazy_embedding",
        "zoo.tasks.accumulate",
        "zoo.tasks.freezing",
        "zoo.tasks.transfer",
        "zoo.tasks.token_axes",
        "zoo.tasks.parameter_copy",
        "zoo.tasks.labels",
        "zoo.tasks.tagging",
        "zoo.tasks.pair_preparation",
        "zoo.tasks.word_vectors",
        "zoo.tasks.context",
    ]
    + ["zoo.tasks.classification", "zoo.tasks.pos", "zoo.tasks.ner", "zoo.tasks.charlm"]
    + ["zoo.tasks.seq2seq_pipeline", "zoo.tasks.seq2seq", "zoo.tasks.memory"]
    + ["zoo.tasks.registry"],
    ["zoo.tasks.lab", "zoo.tasks.evaluate", "zoo.train", "zoo.tasks.cli"],
    ["benchmarks"],
]
SOURCES = ("zoo", "tasks", "benchmarks", "train.py")


def modules() -> dict[str, Path]:
    """Return the files of the library, the tasks and the benchmarks by module name."""
    paths = []
    for source in SOURCES:
        path = ROOT / source
        paths += [path] if path.is_file() else path.rglob("*.py")
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in paths}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    # The package contains links to the tasks and to the training loop.
    linked = ("tasks", "train")
    return {
        f"zoo.{name}" if name.split(".")[0] in linked else name: path
        for name, path in names.items()
    }


MODULES = modules()


def imports(path: Path, *, lazy: bool = True) -> set[str]:
    """Return the modules that a file imports, parsed from its source.

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


def level(module: str) -> int:
    """Return the level of a module, or of the package that contains it."""
    for number, names in enumerate(LEVELS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return number
    raise AssertionError(f"{module} has no level: add it to LEVELS")


@pytest.mark.parametrize("module", [name for name in MODULES if name != "zoo"])
def test_modules_import_from_lower_levels(module):
    if module in ("zoo.tasks", "benchmarks"):
        return
    for name in imports(MODULES[module]) & MODULES.keys():
        if name == "zoo":  # the public interface, for the code outside the library
            outside = ("zoo.tasks.", "zoo.train", "benchmarks.")
            assert module.startswith(outside), f"{module} imports zoo"
        else:
            assert level(name) <= level(module), f"{module} imports {name}"


def test_no_import_cycles():
    """Inside a package or between packages."""
    graph = {
        name: (imports(path, lazy=False) & MODULES.keys()) - {name}
        for name, path in MODULES.items()
    }
    for name, path in MODULES.items():
        if path.name == "__init__.py":  # it re-exports its own modules
            graph[name] = {m for m in graph[name] if not m.startswith(name + ".")}
    # Remove modules without remaining imports until only cycles remain.
    while ready := {name for name, names in graph.items() if not names & graph.keys()}:
        graph = {name: names for name, names in graph.items() if name not in ready}
    assert not graph, f"import cycle among {sorted(graph)}"


TIME_LOOP = [
    f"zoo.engine.{name}"
    for name in ("scan", "loop", "deferred", "parallel", "plan", "newton")
]


OF_DATA = (
    "zoo.text.tokenizer",
    "zoo.text.encodings",
    "zoo.text.numbering",
    "zoo.tasks",
)


@pytest.mark.parametrize("module", MODULES)
def test_forbidden_imports(module):
    """Cells import no time loop, the engine and the CRF no Flax, data code no JAX.

    Data code may call the tokenizer and the encodings, so that texts and tokens are
    those that a model makes of raw text.
    """
    forbidden = {
        "zoo.cells": (*TIME_LOOP, "zoo.layers"),
        "zoo.engine": ("flax",),
        "zoo.modules.crf": ("flax",),
        "zoo.text": ("jax", "flax"),
        "zoo.tasks.data": ("jax", "flax", "zoo"),
    }
    for package, names in forbidden.items():
        if module == package or module.startswith(package + "."):
            for name in imports(MODULES[module]):
                if name.startswith(OF_DATA):
                    continue
                matches = [n for n in names if name == n or name.startswith(n + ".")]
                assert not matches, f"{module} imports {name}"


@pytest.mark.parametrize("modules", ["zoo.public", "zoo.train"])
def test_imports_are_fast(modules):
    """An error in the data does not wait for the import of every library."""
    code = f"import sys, {modules}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    heavy = {"torch", "datasets", "matplotlib", "keras", "sklearn", "pandas", "scipy"}
    heavy |= {
        "starlette",
        "uvicorn",
        "pydantic",
        "orbax",
        "tensorboardX",
        "seqeval",
        "sacrebleu",
        "jiwer",
    }
    heavy |= {"zoo.tasks"} if modules == "zoo.public" else set()
    assert run.returncode == 0, run.stderr
    assert not heavy & set(run.stdout.split())
    assert "interop" in dir(zoo)


def test_import_of_the_package_waits_for_no_jax():
    """Its public names load with the first use, functions instead of their modules."""
    code = (
        "import sys, zoo; assert 'jax' not in sys.modules\n"
        "from zoo.summary import summary\n"
        "import zoo.cells\n"
        "assert zoo.summary is summary and len(zoo.cells()) > 70\n"
        "assert zoo.functional is not sys.modules['zoo.functional']\n"
        "from zoo import *\n"
        "assert LSTM is zoo.LSTM and set(zoo.__all__) < set(dir(zoo))\n"
        "zoo.Pooing"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    error = run.stderr.splitlines()[-1]
    assert error.endswith("no attribute 'Pooing'. Did you mean: 'Pooling'?")
