"""Layers in the h5 files of Keras."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from zoo.interop.keras import from_keras
from zoo.interop.library import import_library
from zoo.layers import Bidirectional, Layer, Recurrent


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
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            if name not in group:
                listed = ", ".join(group.keys())
                raise ValueError(f"{path}: no layer {name!r}, only {listed}")
            arrays = _arrays(group[name])
    except (OSError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not an h5 file of Keras, or damaged: {error}") from (
            error
        )
    try:
        return _layer(arrays, kind, merge)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}, layer {name!r}: {error}") from error


def _arrays(group: Any) -> list[np.ndarray]:
    """Return the arrays of a layer, in the order of Keras."""
    names = group.attrs["weight_names"]
    return [np.asarray(group[n.decode() if isinstance(n, bytes) else n]) for n in names]


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
