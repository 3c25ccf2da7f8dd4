"""``--cell module:Class``: a model with a cell of the user's own."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
import zoo.__main__
from tests.helpers.tolerances import assert_identical
from tests.helpers.training import command, flags
from tests.helpers.typed import untyped
from zoo.artifact import ArtifactError
from zoo.pipelines import ReaderPipeline
from zoo.registry import cell_name

TASK = "classification"
MODULE, NAME = "own_cells", "own_cells:LeakyCell"
SOURCE = '''
import jax.numpy as jnp
import zoo


class LeakyCell(zoo.Cell):
    """h' = (h + tanh(x W + h U + b)) / 2"""

    gates = {"h": 0}

    def update(self, state, p, q):
        return zoo.HiddenState((state.h + jnp.tanh(p + q)) / 2)


class WithoutUpdate(zoo.Cell):
    gates = {"h": 0}


class WithoutGates(zoo.Cell):
    def update(self, state, p, q):
        return state


def function():
    pass
'''


class Folder:
    """A folder with a user's module, and commands that run in it."""

    def __init__(self, path: Path, env: dict[str, str]) -> None:
        self.path, self.env = path, env
        (path / f"{MODULE}.py").write_text(SOURCE)

    def output(self, module: str, *args: Any) -> str:
        process = subprocess.run(
            command(module, *args),
            env=self.env,
            cwd=self.path,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout


@pytest.fixture(scope="module")
def folder(
    work: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Folder:
    return Folder(tmp_path_factory.mktemp("own"), work[1])


@pytest.fixture(scope="module")
def trained(folder: Folder) -> tuple[str, list[str]]:
    """Return the output of a training run, and its flags."""
    args = [*flags(TASK, folder.path), "--cell", NAME, "--out", "run"]
    return folder.output("train.py", TASK, *args), args


@pytest.fixture
def imported(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the user's module, for one test."""
    monkeypatch.syspath_prepend(folder.path)
    yield importlib.import_module(MODULE)
    del sys.modules[MODULE]


@pytest.fixture
def inside(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the folder the current one, without an import of the user's module yet."""
    monkeypatch.chdir(folder.path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop(MODULE, None)
    yield
    sys.modules.pop(MODULE, None)


@pytest.mark.usefixtures("inside")
def test_commands_import_the_cell_that_they_name(folder, trained, output_of, error_of):
    output, args = trained
    assert output.startswith(f"{TASK}: {NAME}, ")
    saved = json.loads((folder.path / "run" / "model" / "config.json").read_text())
    assert saved["pipeline"]["options"]["cell"] == NAME
    config = json.loads((folder.path / "run" / "config.json").read_text())
    assert f"the module of --cell {NAME}" in config["digests"]

    usage = next(line for line in output.splitlines() if line.startswith("try it:"))
    predict = shlex.split(usage)[2:]
    assert predict[:-1] == ["zoo", "predict", "run", "--cell", NAME]
    assert folder.output(*predict)
    refused = error_of("run", predict[-1], command="predict")
    assert refused.startswith(f"error: run/model/config.json: the cell {NAME} ")
    assert refused.count("\n") == 1
    assert f"import {MODULE} first, or" in refused
    assert f"on the command line: --cell {NAME}" in refused
    assert "scored: test" in output_of("run", "--cell", NAME, command="evaluate")
    resumed = output_of(TASK, *args, "--resume", command="train")
    scores = [
        [line for line in text.splitlines() if line.startswith("test ")]
        for text in (output, resumed)
    ]
    assert scores[0] and scores[0] == scores[1]


def test_loading_executes_no_code(folder, trained, request):
    run = folder.path / "run"
    with pytest.raises(
        ArtifactError, match=f"loading executes no code: import {MODULE}"
    ):
        zoo.load(run)
    module = request.getfixturevalue("imported")
    pipeline = zoo.load(run)
    layers = untyped(pipeline.model).layers
    assert type(layers.layers[0].forward.cell) is module.LeakyCell
    # The same parameters in the same class, built without a name.
    sizes = layers.input_size, layers.output_size // 2
    layer = zoo.make(module.LeakyCell, *sizes, bidirectional=True, rngs=nnx.Rngs(1))
    _, apply = zoo.functional(layer)
    x = np.random.default_rng(0).normal(size=(2, 5, layers.input_size))
    x = x.astype(np.float32)
    expected = pipeline.apply(pipeline.params, x, method=lambda m, x: m.layers(x))
    assert_identical(apply(pipeline.params["layers"], x), expected)


@pytest.mark.usefixtures("imported")
def test_a_pipeline_stores_the_name_of_a_class(tmp_path):
    cell = sys.modules[MODULE].LeakyCell
    options = {"input_size": 1, "output_size": 1, "hidden_size": 4, "cell": cell}
    pipeline = ReaderPipeline(options)
    assert pipeline.options["cell"] == NAME
    zoo.save(tmp_path / "model", pipeline)
    loaded = zoo.load(tmp_path / "model")
    assert_identical(jax.tree.leaves(loaded.params), jax.tree.leaves(pipeline.params))
    assert cell_name(zoo.GRUCell) == "gru"

    class Local(cell):
        pass

    with pytest.raises(ValueError, match="define Local at the top level of a module"):
        ReaderPipeline({**options, "cell": Local})


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "own_cels:LeakyCell",
            "no module own_cels .*did you mean own_cells:LeakyC",
        ),
        ("own_cells.py:LeakyCell", "did you mean own_cells:LeakyCell"),
        ("own_cells:Leaky", "no class 'Leaky'; did you mean own_cells:LeakyCell"),
        ("own_cells:", "no class ''; its cells are LeakyCell"),
        ("own_cells:function", "a class that derives from zoo.Cell, got a function"),
        ("own_cells:WithoutUpdate", "must define update or advance"),
        ("own_cells:WithoutGates", "must define the names of its gates"),
        ("broken:Cell", "the import of broken failed: ZeroDivisionError"),
        ("exiting:Cell", "the import of exiting failed: SystemExit: 3"),
        (":Cell", "write module:Class, .* as in an import: module:Cell"),
        (".own_cells:LeakyCell", "write .* as in an import: own_cells:LeakyCell"),
        ("./own_cells.py:LeakyCell", "write .* as in an import: own_cells:LeakyCell"),
        ("nowhere:Cell", "no module nowhere in the current folder"),
    ],
)
def test_errors_of_the_name(
    error_of: Callable[..., str], name: str, message: str
) -> None:
    Path("broken.py").write_text("1 / 0")
    Path("exiting.py").write_text("raise SystemExit(3)")
    error = error_of("memory", "--cell", name, "--out", "none")
    assert error.startswith(f"error: {name}: ") and error.count("\n") == 1
    assert re.search(message, error)
    assert not Path("none").exists()


def test_the_cell_of_another_model(finished, error_of):
    out, _ = finished("memory")
    for name in ("predict", "evaluate"):
        message = error_of(out, "--cell", "gru", command=name)
        assert message == f"error: --cell gru: the cell of {out} is lstm\n"


class WithoutCoefficients(zoo.LinearCell):
    gates: ClassVar = {"h": 0}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (nnx.LSTMCell, "LSTMCell must derive from zoo.Cell"),
        (zoo.LSTMCell(1, 1, rngs=nnx.Rngs(0)), "pass the class, zoo.LSTMCell"),
        (WithoutCoefficients, "WithoutCoefficients must define coefficients"),
    ],
)
def test_errors_of_a_class(cell, message):
    with pytest.raises(TypeError, match=message):
        zoo.make(cell, 1, 1, rngs=nnx.Rngs(0))
