"""Layers from and to PyTorch."""

import importlib
import logging
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ProjectedLSTMCell
from zoo.interop.stacks import check_plain, levels, recurrent_part
from zoo.interop.state_dict import MODULES, detect_kind, parse, unwrap
from zoo.interop.torch_cells import arrays_of_cell, check_names, set_cell
from zoo.layers import GRU, LSTM, RNN, Bidirectional, Layer, Recurrent, Stacked

KINDS = {"rnn": (ElmanCell, RNN), "lstm": (LSTMCell, LSTM), "gru": (GRUCell, GRU)}
_log = logging.getLogger(__name__)


def from_torch(
    source: Any,
    kind: str | None = None,
    *,
    nonlinearity: str = "tanh",
    dropout: float = 0.0,
    prefix: str = "",
    dtype: Any = None,
    param_dtype: Any = jnp.float32,
) -> Layer | Cell:
    """Convert a PyTorch module into an equivalent layer or cell.

    ::

        layer = zoo.interop.from_torch(torch.nn.LSTM(50, 100))
        state, y = layer(x)     # x [B, T, 50], whatever batch_first was

    Args:
        source: a ``torch.nn`` RNN, LSTM, GRU, RNNCell, LSTMCell or GRUCell, also
            compiled or in a DataParallel; or its state dict, of tensors or arrays,
            which defines all sizes (torch is not needed).
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``, for a state dict; by default detected
            from the shapes.
        nonlinearity: of an RNN, for a state dict, whose arrays do not show it.
        dropout: between layers, for a state dict.
        prefix: of the names in the state dict of a larger model, such as
            ``"encoder."``.
        dtype: of the products; by default `param_dtype`.
        param_dtype: of the parameters.

    Returns:
        A `zoo.RNN`, `zoo.LSTM` or `zoo.GRU`, or its cell.

    Raises:
        ValueError: if an entry is missing, unknown, or has an unexpected shape.
        TypeError: if `source` is neither such a module nor a mapping, for example a
            subclass, a scripted or a quantised module; or if an array is not floating
            point. The message says what to pass.
    """
    if not isinstance(source, Mapping):
        source = unwrap(source)
        kind = MODULES[type(source).__name__]
        nonlinearity = getattr(source, "nonlinearity", nonlinearity)
        dropout = getattr(source, "dropout", dropout)
        source, prefix = source.state_dict(), ""
        detected = False
    else:
        detected = kind is None
    entries = parse(source, prefix)
    first = next(iter(entries.values()))
    kind = detect_kind(first, kind)
    if detected:
        guess = f" with nonlinearity={nonlinearity!r}" if kind == "rnn" else ""
        _log.info("the shapes of the state dict are those of kind %r%s", kind, guess)
    cell_class, layer_class = KINDS[kind]
    rows, input_size = first["weight_ih"].shape
    hidden_size = rows // len(cell_class.gates)
    options: dict[str, Any] = {
        "bias": "bias_ih" in first,
        "dtype": dtype,
        "param_dtype": param_dtype,
        "rngs": nnx.Rngs(0),
    }
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    if "weight_hr" in first:
        options["proj_size"] = first["weight_hr"].shape[0]
    if "" in entries:
        cell = cell_class(input_size, hidden_size, **options)
        return set_cell(cell, "", first)
    num_layers = sum(not suffix.endswith("_reverse") for suffix in entries)
    layer = layer_class(
        input_size,
        hidden_size,
        num_layers,
        dropout=dropout if num_layers > 1 else 0.0,
        bidirectional=any(suffix.endswith("_reverse") for suffix in entries),
        **options,
    )
    targets = _cells(layer)
    check_names("layers", entries, targets)
    for suffix, cell in targets.items():
        set_cell(cell, suffix, entries[suffix])
    return layer


def to_torch(source: Any, form: str = "state_dict") -> Any:
    """Convert a cell, a layer, or the recurrent layers of a model for PyTorch.

    ::

        module = torch.nn.LSTM(50, 100, batch_first=True)
        module.load_state_dict(zoo.interop.to_torch(layer))

        module = zoo.interop.to_torch(layer, "module")      # the same

    Args:
        source: as for `to_torch_arrays`.
        form: ``"state_dict"`` for tensors by name, ``"module"`` for a ``torch.nn`` RNN,
            LSTM or GRU with ``batch_first=True``, or the module of a cell.

    Returns:
        A state dict, or a module with all options: sizes, direction, dropout between
        the layers, nonlinearity.

    Raises:
        ValueError: if PyTorch has no equivalent layer or cell.
        TypeError: if `source` is something else.
        ImportError: if torch is not installed; `to_torch_arrays` does not need it.
    """
    checks.one_of("form", form, ("state_dict", "module"))
    part = recurrent_part(source)
    arrays = to_torch_arrays(part)
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "to_torch needs torch for its tensors; to_torch_arrays returns the same as "
            "numpy arrays"
        ) from error

    def tensor(a: np.ndarray) -> Any:
        if a.dtype == jnp.bfloat16:  # torch does not take NumPy's extension types
            return torch.from_numpy(a.astype(np.float32)).to(torch.bfloat16)
        return torch.from_numpy(a)

    state_dict = {name: tensor(a) for name, a in arrays.items()}
    if form == "state_dict":
        return state_dict
    name, options = _options(part)
    dtype = next(iter(state_dict.values())).dtype
    with torch.random.fork_rng(devices=[]):  # its initialisation is overwritten
        module = getattr(torch.nn, name)(dtype=dtype, **options)
    module.load_state_dict(state_dict)
    return module


def _options(part: Cell | Layer) -> tuple[str, dict[str, Any]]:
    """Return the name of the class in ``torch.nn``, and its options."""
    layers = [] if isinstance(part, Cell) else _directions(part)
    cell = part if isinstance(part, Cell) else layers[0][0].cell
    options: dict[str, Any] = {
        "input_size": cell.input_size,
        "hidden_size": cell.hidden_size,
        "bias": cell.b is not None,
    }
    if isinstance(cell, ElmanCell):
        options["nonlinearity"] = cell.nonlinearity
    projected = isinstance(cell, ProjectedLSTMCell)
    if projected:
        options["proj_size"] = cell.output_size
    known = {"rnn": "RNN", "gru": "GRU"}
    name = known.get(cell.name, "LSTM")
    if not layers:
        if projected:
            raise ValueError("torch.nn.LSTMCell has no projection: convert a layer")
        return name + "Cell", options
    options |= {
        "num_layers": len(layers),
        "bidirectional": len(layers[0]) == 2,
        "dropout": part.dropout if isinstance(part, Stacked) else 0.0,
        "batch_first": True,
    }
    return name, options


def to_torch_arrays(source: Any) -> dict[str, np.ndarray]:
    """Return the arrays of `to_torch` without torch.

    Args:
        source: an Elman, LSTM, projected LSTM or GRU cell; a layer of one of them with
            equal sizes, in one direction or both; or a model with one stack of such
            layers.

    Returns:
        Arrays by name. The bias is in ``bias_ih``; ``bias_hh`` is zero except for the
        gate n of a GRU.

    Raises:
        ValueError: if PyTorch has no equivalent layer or cell.
        TypeError: if `source` is something else.
    """
    part = recurrent_part(source)
    if isinstance(part, Cell):
        return arrays_of_cell(part, "")
    check_plain(part, "a recurrent layer of torch", has=["dropout"])
    cells = _cells(part)
    first = next(iter(cells.values()))
    width = len(_directions(part)[0]) * first.output_size
    state: dict[str, np.ndarray] = {}
    for suffix, cell in cells.items():
        same = (type(cell), cell.hidden_size, cell.output_size, cell.b is None)
        if same != (type(first), first.hidden_size, first.output_size, first.b is None):
            raise ValueError(
                "torch has the same cell in every layer, got "
                f"{_describe(first)} and, in {suffix}, {_describe(cell)}"
            )
        if not suffix.startswith("_l0") and cell.input_size != width:
            raise ValueError(
                f"in torch, {suffix} must have the input_size {width} of the layer "
                f"below, got {cell.input_size}"
            )
        if getattr(cell, "nonlinearity", None) != getattr(first, "nonlinearity", None):
            raise ValueError("torch has the same nonlinearity in every layer")
        state.update(arrays_of_cell(cell, suffix))
    return state


def _describe(cell: Cell) -> str:
    bias = "no bias" if cell.b is None else "bias"
    return f"{type(cell).__name__} of {cell.hidden_size} with {bias}"


def _directions(layer: Layer) -> list[tuple[Recurrent, ...]]:
    """Return the layers of each level of a stack, one or, bidirectional, two."""
    pairs: list[tuple[Recurrent, ...]] = []
    for level in levels(layer):
        pair = (level,)
        if isinstance(level, Bidirectional):
            if level.merge != "concat":
                raise ValueError(
                    "torch concatenates both directions: merge must be 'concat', got "
                    f"{level.merge!r}"
                )
            pair = (level.forward, level.backward)
        elif level.direction == "reverse":
            raise ValueError(
                "a layer that runs only in reverse cannot be converted: torch has none"
            )
        recurrent = tuple(one for one in pair if isinstance(one, Recurrent))
        if len(recurrent) != len(pair) or pairs and len(pair) != len(pairs[0]):
            raise ValueError(
                "torch has one layer, or one for each direction, on every level of a "
                "stack"
            )
        pairs.append(recurrent)
    return pairs


def _cells(layer: Layer) -> dict[str, Cell]:
    """Return the cells of a layer by torch's suffix: ``_l0``, ``_l0_reverse``, ..."""
    return {
        f"_l{level}" + ("_reverse" if reverse else ""): one.cell
        for level, pair in enumerate(_directions(layer))
        for reverse, one in enumerate(pair)
    }
