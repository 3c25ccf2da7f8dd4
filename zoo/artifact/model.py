"""Save and load a trained model."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from zoo import checks
from zoo.artifact import config, folder, weights
from zoo.artifact.config import CONFIG
from zoo.artifact.error import ArtifactError
from zoo.artifact.weights import WEIGHTS
from zoo.engine.schedule import BackendOption
from zoo.layers import set_backend
from zoo.pipelines import PIPELINES, Pipeline
from zoo.pipelines.options import cells_of, context_models, is_own
from zoo.registry import CellError

CARD = "README.md"
# Options that are a number of arrays, and those that are the length of an axis of one.
COUNTS = ("num_layers", "decoder_num_layers", "depth", "rounds")
AXES = ("hidden_size", "decoder_hidden_size", "order", "state_size")
SMALL = 64  # any model may have such a number


def save(
    path: str | os.PathLike,
    pipeline: Pipeline,
    *,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model into a folder, completely or not at all.

    A program that loads the model meanwhile gets the old one or the new one. Other
    files in the folder are kept.

    Args:
        path: the folder; a model in it is replaced.
        pipeline: the model, with its trained parameters.
        about: metadata to store with it (task, data, scores) as JSON values.

    Raises:
        FileExistsError: if `path` is a file, or a folder with files but no model.
        OSError: if the folder cannot be written.
        TypeError: if `pipeline` is not a pipeline, but for example its module; or if an
            option or `about` has values that JSON lacks.
        ValueError: if a parameter has NaN or infinite values, or the vocabularies are
            too large.
    """
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"pipeline must be one of zoo.pipelines, such as zoo.load returns, got "
            f"{type(pipeline).__name__}; save the parameters of a module with Orbax or "
            "safetensors"
        )
    about = dict(about or {})
    arrays = weights.encode(pipeline.params, pipeline.model, pipeline.stored_dtypes)
    files = {
        WEIGHTS: arrays,
        CONFIG: config.encode(pipeline.kind, pipeline.to_json(), about, arrays),
        CARD: _card(pipeline, about).encode("utf-8", "backslashreplace"),
    }
    folder.write(Path(path), files, required=(CONFIG, WEIGHTS))


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
        ArtifactError: if a file is damaged, was changed by hand, or written by a newer
            version, or the module of its cell has not been imported.
        ImportError: if the model needs a library that is not installed.
        ValueError: if `backend` is unknown, or ``"native"`` and there is no kernel for
            a cell.
    """
    place, description, arrays = _read_arrays(path)
    pipeline = _build(place / CONFIG, description, arrays)
    weights.fill(pipeline.model, arrays, place / WEIGHTS)
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
        ArtifactError: if ``config.json`` is damaged, was changed by hand, or written by
            a newer version.
    """
    place, description, _ = _read(path, with_weights=False)
    return _about(place, description)


class Description(NamedTuple):
    """What a model folder says of its model.

    Attributes:
        about: the metadata, the kind of the model, and its path.
        pipeline: what `Pipeline.to_json` returned: options and vocabularies.
        shapes: of the arrays, by path, such as ``params/output/W``.
    """

    about: dict[str, Any]
    pipeline: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def describe(path: str | os.PathLike) -> Description:
    """Return what a model is, from its configuration and the shapes of its weights.

    No model is built, so a cell of your own is not imported.

    Args:
        path: as for `load`.

    Raises:
        FileNotFoundError: if there is no model.
        ArtifactError: as for `about`, or if the weights are damaged.
    """
    place, description, arrays = _read_arrays(path)
    shapes = {name: array.shape for name, array in arrays.items()}
    return Description(_about(place, description), description["pipeline"], shapes)


def _about(place: Path, description: dict[str, Any]) -> dict[str, Any]:
    known = {"kind": description["kind"], "path": str(place)}
    return known | description["about"] | known


def _read_arrays(
    path: str | os.PathLike,
) -> tuple[Path, dict[str, Any], dict[str, np.ndarray]]:
    """Return the folder of a model, its configuration, and its arrays by path."""
    place, description, content = _read(path)
    expected = description.get("sha256", {}).get(WEIGHTS)
    if expected is not None and config.sha256(content) != expected:
        raise ArtifactError(
            f"{place / WEIGHTS} does not match its checksum in {CONFIG}: it is damaged "
            "and may be truncated; copy it again"
        )
    return place, description, weights.decode(content, place / WEIGHTS)


def _read(
    path: str | os.PathLike, *, with_weights: bool = True
) -> tuple[Path, dict[str, Any], bytes]:
    """Return the folder of a model, its configuration, and the file of its weights."""
    path = Path(path)
    try:
        with folder.opened([path, path / "model"], (CONFIG, WEIGHTS)) as (place, files):
            text = config.read(files[0], place / CONFIG)
            content = files[1].read() if with_weights else b""
    except ArtifactError:
        raise
    except (FileNotFoundError, ValueError):  # ValueError: a path with a null character
        reason = "or a run folder, which has a model after its first epoch"
        raise FileNotFoundError(
            checks.one_line(
                f"no model in {path}: expected {CONFIG} and {WEIGHTS}, {reason}"
            )
        ) from None
    except (OSError, MemoryError) as error:
        reason = str(error) or "it is larger than the memory"
        raise ArtifactError(f"the model in {path} cannot be read: {reason}") from error
    return place, config.decode(text, place / CONFIG), content


def _build(
    path: Path, description: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> Pipeline:
    """Return the pipeline of a configuration, without its parameters."""
    try:
        _check_sizes(description["pipeline"].get("options"), arrays)
        return PIPELINES[description["kind"]].from_json(description["pipeline"])
    except ImportError:
        raise
    except CellError as error:
        raise ArtifactError(f"{path}: {error}") from error
    # Whatever a constructor raises, these are not the options of a model.
    except Exception as error:
        raise ArtifactError(
            f"{path} does not describe a model of this version: {error!r}"
        ) from error


def _check_sizes(options: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Check options that a constructor would spend much time or memory on.

    Whether all shapes match is checked when the shapes are known, see `weights.fill`.
    """
    if not isinstance(options, dict) or any(map(is_own, cells_of(options))):
        return  # the constructor checks types; a cell of a user has options of its own
    for model in context_models(options):
        _check_sizes(model, arrays)
    longest = max((size for a in arrays.values() for size in a.shape), default=0)
    for names, limit in ((COUNTS, len(arrays)), (AXES, longest)):
        for name in names:
            value = options.get(name)
            for size in value if isinstance(value, list) else [value]:
                if isinstance(size, int) and size > max(limit, SMALL):
                    raise ValueError(f"{name} = {value} does not match {WEIGHTS}")


def _card(pipeline: Pipeline, about: Mapping[str, Any]) -> str:
    """Return the model card."""
    size = sum(np.size(leaf) for leaf in jax.tree.leaves(pipeline.params))
    saved = pipeline.to_json()
    values = {name: saved[name] for name in ("options", "backward") if name in saved}
    lines = [
        f"# {about.get('task', pipeline.kind)}",
        "",
        f"A {pipeline.kind.replace('_', ' ')} of rnn-zoo with {size:,} parameters. "
        "`zoo.load` reads it.",
        "",
        "```json",
        json.dumps({**values, **about}, indent=1, default=str),
        "```",
        "",
    ]
    return "\n".join(lines)
