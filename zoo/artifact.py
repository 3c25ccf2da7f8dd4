"""A trained model as a folder: ``zoo.save(path, pipeline)`` and ``zoo.load(path)``.

``weights.safetensors`` holds the arrays, ``config.json`` the kind of model, its options
and vocabularies, ``README.md`` the model card. The folder contains no code, and loading
executes none.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from zoo.engine.schedule import BackendOption
from zoo.layers import set_backend
from zoo.pipelines import PIPELINES, Pipeline
from zoo.registry import CellError

FORMAT_VERSION = 2  # 1: without the name of the tokenizer
# Random state, such as the stream of dropout, does not belong to the trained model.
CONSTANTS = nnx.Not(nnx.Any(nnx.Param, nnx.RngState))
WEIGHTS, CONFIG, CARD = "weights.safetensors", "config.json", "README.md"


class ArtifactError(ValueError):
    """A folder without a model that this version can load."""


def save(
    path: str | os.PathLike,
    pipeline: Pipeline,
    *,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model into a folder, completely or not at all.

    Args:
        path: the folder; a model in it is replaced.
        pipeline: the model, with its trained parameters.
        about: metadata to store with it (task, data, scores) as JSON values.

    Raises:
        OSError: if the folder cannot be written.
        TypeError: if `pipeline` is not a pipeline, but for example its module.
    """
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"pipeline must be one of zoo.pipelines, such as zoo.load returns, got "
            f"{type(pipeline).__name__}; save the parameters of a module with Orbax or "
            "safetensors"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    constants = nnx.to_pure_dict(nnx.state(pipeline.model, CONSTANTS))
    arrays = _flat({"params": pipeline.params, "constants": constants})
    config = {
        "format_version": FORMAT_VERSION,
        "kind": pipeline.kind,
        "about": dict(about or {}),
        "pipeline": pipeline.to_json(),
    }
    new = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        safetensors.numpy.save_file(jax.tree.map(np.asarray, arrays), new / WEIGHTS)
        (new / CONFIG).write_text(
            json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8"
        )
        (new / CARD).write_text(_card(pipeline, config["about"]), encoding="utf-8")
        new.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
            path.replace(old / path.name)
            new.replace(path)
            shutil.rmtree(old)
        else:
            new.replace(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def load(path: str | os.PathLike, *, backend: BackendOption | None = None) -> Pipeline:
    """Load a trained model.

    ::

        zoo.load("runs/ner").predict(["Anna Lind flew to Peru."])

    A model with a cell of your own, ``--cell module:Class``, needs an import of the
    module first: ``import module``.

    Args:
        path: a folder that `save` wrote, or a run folder with ``model`` in it.
        backend: ``"scan"``, ``"native"`` or ``"auto"`` for all recurrent layers, see
            `zoo.engine.schedule.Schedule`; None keeps those that the model was built
            with.

    Returns:
        The pipeline: with ``generate`` for a language model, ``predict`` otherwise.

    Raises:
        FileNotFoundError: if there is no model.
        ArtifactError: if a file is damaged, or written by a newer version, or the
            module of its cell has not been imported.
        ValueError: if `backend` is unknown, or ``"native"`` and there is no kernel for
            a cell.
    """
    config, path = _config(path)
    try:
        pipeline = PIPELINES[config["kind"]].from_json(config["pipeline"])
    except CellError as error:
        raise ArtifactError(f"{path / CONFIG}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path / CONFIG} does not describe a model of this version: {error!r}"
        ) from error
    try:
        arrays = safetensors.numpy.load_file(path / WEIGHTS)
    except (OSError, safetensors.SafetensorError) as error:
        raise ArtifactError(
            f"{path / WEIGHTS} cannot be read, it may be truncated: {error}"
        ) from error
    params, constants = (
        nnx.state(pipeline.model, kind) for kind in (nnx.Param, CONSTANTS)
    )
    initial = {
        "params": nnx.to_pure_dict(params),
        "constants": nnx.to_pure_dict(constants),
    }
    expected = _flat(initial)
    for name in sorted(expected.keys() | arrays.keys()):
        shape = np.shape(expected[name]) if name in expected else "no such array"
        got = arrays[name].shape if name in arrays else "nothing"
        if shape != got:
            raise ArtifactError(
                f"{path / WEIGHTS}: {name} should be {shape}, got {got}"
            )
    restored = jax.tree.unflatten(
        jax.tree.structure(initial), [jnp.asarray(arrays[name]) for name in expected]
    )
    nnx.replace_by_pure_dict(params, restored["params"])
    nnx.replace_by_pure_dict(constants, restored["constants"])
    nnx.update(pipeline.model, params, constants)
    if backend is not None:
        set_backend(pipeline.model, backend)
    pipeline.bind()
    return pipeline


def about(path: str | os.PathLike) -> dict[str, Any]:
    """Return the metadata and the kind of a model, without loading it.

    Args:
        path: as for `load`.

    Raises:
        FileNotFoundError: if there is no model.
        ArtifactError: if a file is damaged, or written by a newer version.
    """
    config, path = _config(path)
    return {"kind": config["kind"], "path": str(path), **config["about"]}


def _config(path: str | os.PathLike) -> tuple[dict[str, Any], Path]:
    """Return the configuration of a model, and the folder that contains it."""
    path = Path(path)
    if not (path / CONFIG).exists() or not (path / WEIGHTS).exists():
        if not (path / "model" / CONFIG).exists():
            raise FileNotFoundError(
                f"no model in {path}: expected {CONFIG} and {WEIGHTS}, or a run folder "
                "with a model in it"
            )
        path = path / "model"
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        version = config["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path / CONFIG} cannot be read: expected JSON with a format_version, "
            f"got {error!r}"
        ) from error
    if isinstance(version, bool) or not isinstance(version, int):
        raise ArtifactError(
            f"{path / CONFIG}: format_version must be an int, got {version!r}"
        )
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{path} was written by a newer version of zoo: it has format {version}, "
            f"this version reads up to {FORMAT_VERSION}; upgrade with "
            "pip install --upgrade rnn-zoo"
        )
    return config, path


def _flat(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by path, such as ``params/layers/0/cell/W``."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }


def _card(pipeline: Pipeline, about: Mapping[str, Any]) -> str:
    """Return the model card."""
    size = sum(np.size(leaf) for leaf in jax.tree.leaves(pipeline.params))
    lines = [
        f"# {about.get('task', pipeline.kind)}",
        "",
        f"A {pipeline.kind.replace('_', ' ')} of rnn-zoo with {size:,} parameters. "
        "`zoo.load` reads it.",
        "",
        "```json",
        json.dumps({"options": pipeline.options, **about}, indent=1, default=str),
        "```",
        "",
    ]
    return "\n".join(lines)
