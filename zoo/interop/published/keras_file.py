"""Layers in the h5 files of Keras."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from zoo.interop.keras import from_keras
from zoo.interop.library import import_library
from zoo.interop.published.damage import naming
from zoo.layers import Bidirectional, Layer, Recurrent

_MOST_ARRAYS = 6  # of a Bidirectional: two kernels and a bias for each direction
_MOST_PACKED = 100  # bytes that one byte of a compressed array may become


def keras_layer(
    path: str | os.PathLike, name: str, kind: str, *, merge: str = "concat"
) -> Layer:
    """Load a recurrent layer from an h5 file of Keras, also one of CuDNN.

    ::

        layer = zoo.interop.published.keras_layer("weights.hdf5", "rnn_1", "lstm")
        state, y = layer(x, mask)       # x [B, T, D]

    It needs h5py, but not Keras. Such a file has the arrays of a layer, not its
    options: see `zoo.interop.from_keras` for what is assumed.

    Args:
        path: written by ``model.save`` or ``save_weights``, with the ending ``.h5`` or
            ``.hdf5``.
        name: of the layer.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        merge: of a ``Bidirectional``, as for `zoo.Bidirectional`.

    Returns:
        A `Recurrent`, or for a ``Bidirectional`` a `Bidirectional`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, has no such layer, or the layer is of
            another kind.
        ImportError: if h5py is not installed.

    Source: the layer of Keras; Keras 2.1 to 2.3 had CuDNNLSTM and CuDNNGRU.
    """
    h5py = import_library("h5py", "pip install h5py reads files of Keras")
    Path(path).stat()  # h5py has no error of its own for a missing file
    try:
        with naming(path), h5py.File(path, "r") as file:
            group = file
            if file.get("model_weights", getlink=True) is not None:
                group = _member(h5py, file, "model_weights")
            if group.get(name, getlink=True) is None:
                listed = ", ".join(group.keys())
                raise ValueError(f"{path}: no layer {name!r}, only {listed}")
            size = Path(path).stat().st_size
            arrays = _arrays(h5py, _member(h5py, group, name), size)
    except OSError as error:
        raise ValueError(f"{path}: not an h5 file of Keras, or damaged: {error}") from (
            error
        )
    with naming(f"{path}, layer {name!r}"):
        return _layer(arrays, kind, merge)


def _member(h5py: Any, group: Any, name: str) -> Any:
    """Return a member of a group; a link to another file is never followed."""
    for part in name.strip("/").split("/"):
        if not isinstance(group, h5py.Group):
            raise ValueError(f"{group.name} is no group")
        link = group.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{part!r} in {group.name} is a link: it is not followed")
        group = group[part]
    return group


def _arrays(h5py: Any, group: Any, size: int) -> list[np.ndarray]:
    """Return the arrays of a layer, in the order of Keras.

    Args:
        h5py: the module.
        group: of the layer.
        size: of the file in bytes.
    """
    if "weight_names" not in group.attrs:
        raise ValueError(f"not an h5 file of Keras: {group.name} has no weight_names")
    names = [
        name.decode() if isinstance(name, bytes) else str(name)
        for name in group.attrs["weight_names"]
    ]
    if len(names) > _MOST_ARRAYS:
        raise ValueError(
            f"{group.name} has {len(names)} arrays, and a recurrent layer at most "
            f"{_MOST_ARRAYS}"
        )
    return [_array(h5py, _member(h5py, group, name), size) for name in names]


def _array(h5py: Any, dataset: Any, size: int) -> np.ndarray:
    """Return an array whose numbers are all in the file."""
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        raise ValueError(f"{dataset.name} is no array of floating point")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} is in another file")
    is_packed = dataset.id.get_create_plist().get_nfilters() > 0
    stored = min(dataset.id.get_storage_size(), size)
    if dataset.nbytes > stored * (_MOST_PACKED if is_packed else 1):
        raise ValueError(
            f"{dataset.name} has {dataset.nbytes:,} bytes, of which the file stores "
            f"{stored:,}"
        )
    return np.asarray(dataset)


def _layer(arrays: list[np.ndarray], kind: str, merge: str) -> Layer:
    """Return the layer with these arrays."""
    if len(arrays) not in (4, 6):
        return _recurrent(arrays, kind)
    half = len(arrays) // 2  # of a Bidirectional, those of the forward layer come first
    forward, backward = (_recurrent(a, kind) for a in (arrays[:half], arrays[half:]))
    return Bidirectional(forward, Recurrent(backward.cell, reverse=True), merge=merge)


def _recurrent(arrays: list[np.ndarray], kind: str) -> Recurrent:
    """Return the layer of one direction."""
    layer = from_keras(arrays, kind)
    assert isinstance(layer, Recurrent)
    return layer
