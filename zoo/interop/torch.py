"""Layers from and to PyTorch."""

import logging
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, ProjectedLSTMCell
from zoo.interop.library import check_unused, import_library, name_of
from zoo.interop.precision import one_warning, stored_dtype
from zoo.interop.stacks import check_plain, dropout_rates, levels, recurrent_part
from zoo.interop.torch_cells import NAMES, arrays_of_cell, check_names, set_cell
from zoo.interop.torch_modules import MODULES, unwrap
from zoo.interop.torch_state_dict import GATES, detect_kind, parse
from zoo.layers import GRU, LSTM, RNN, Bidirectional, Layer, Recurrent

_LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
_log = logging.getLogger(__name__)


@one_warning()
def from_torch(
    source: Any,
    kind: str | None = None,
    *,
    nonlinearity: str | None = None,
    dropout: float | None = None,
    prefix: str = "",
    dtype: Any = None,
    param_dtype: Any = None,
) -> Layer | Cell:
    """Convert a PyTorch module into an equivalent layer or cell.

    ::

        layer = zoo.interop.from_torch(torch.nn.LSTM(50, 100))
        state, y = layer(x)     # x [B, T, 50], whatever batch_first was

    Args:
        source: a ``torch.nn`` RNN, LSTM, GRU, RNNCell, LSTMCell or GRUCell, also
            compiled or in a DataParallel; or its state dict, of tensors or arrays,
            which defines all sizes (torch is not needed).
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``, for a state dict only; by default
            detected from the shapes.
        nonlinearity: of an RNN, for a state dict only, whose arrays do not show it; by
            default ``"tanh"``.
        dropout: between layers, for a state dict only; by default 0.
        prefix: of the names in the state dict of a larger model, such as
            ``"encoder."``.
        dtype: of the products; by default `param_dtype`.
        param_dtype: of the parameters; by default float32, or float64 for float64
            weights under ``jax_enable_x64``. Without it they are rounded, with a
            warning.

    Returns:
        A `zoo.RNN`, `zoo.LSTM` or `zoo.GRU`, or the cell for a cell.

    Raises:
        ValueError: if an entry is missing, unknown, or has an unexpected shape, or if
            an argument does not apply to `source`.
        TypeError: if `source` is neither such a module nor a mapping, for example a
            subclass, a scripted or a quantised module; or if an array is not floating
            point. The message says what to pass.
    """
    if not isinstance(source, Mapping):
        source = unwrap(source)
        check_unused(
            "for a state dict, and a module of torch has its own",
            kind=kind,
            nonlinearity=nonlinearity,
            dropout=dropout,
            prefix=prefix or None,
        )
        kind = MODULES[type(source).__name__]
        nonlinearity = getattr(source, "nonlinearity", None)
        dropout = getattr(source, "dropout", None)
        source = source.state_dict()
    detected = kind is None
    entries = parse(source, prefix)
    first = next(iter(entries.values()))
    kind = detect_kind(first, kind)
    if kind != "rnn":
        check_unused(
            f"an option of an RNN, and the state dict is one of kind {kind!r}",
            nonlinearity=nonlinearity,
        )
    elif nonlinearity is None:
        nonlinearity = "tanh"
    if detected:
        guess = f" with nonlinearity={nonlinearity!r}" if kind == "rnn" else ""
        _log.info("the shapes of the state dict are those of kind %r%s", kind, guess)
    rows, input_size = first["weight_ih"].shape
    is_cell = "" in entries
    if is_cell:
        check_unused(
            "an option of layers, and the state dict is that of a cell",
            dropout=dropout or None,
        )
    if param_dtype is None:
        all_arrays = [a for arrays in entries.values() for a in arrays.values()]
        is_double = any(a.dtype == np.float64 for a in all_arrays)
        param_dtype = jnp.float64 if is_double else jnp.float32
    options: dict[str, Any] = {
        "bias": "bias_ih" in first,
        "dtype": dtype,
        "param_dtype": stored_dtype(param_dtype),
        "rngs": nnx.Rngs(0),
    }
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    if "weight_hr" in first:
        options["proj_size"] = first["weight_hr"].shape[0]
    num_layers = sum(not suffix.endswith("_reverse") for suffix in entries)
    num_layers = 1 if is_cell else num_layers
    layer = _LAYERS[kind](
        input_size,
        rows // GATES[kind],
        num_layers,
        dropout=dropout if dropout and num_layers > 1 else 0.0,
        bidirectional=any(suffix.endswith("_reverse") for suffix in entries),
        **options,
    )
    targets = _cells(layer)
    if is_cell:
        targets = {"": targets["_l0"]}
    check_names("layers", entries, targets)
    for suffix, cell in targets.items():
        set_cell(cell, suffix, entries[suffix])
    return targets[""] if is_cell else layer


def to_torch(source: Any, form: str = "state_dict") -> Any:
    """Convert a cell, a layer, or the recurrent layers of a model for PyTorch.

    ::

        module = torch.nn.LSTM(50, 100, batch_first=True)
        module.load_state_dict(zoo.interop.to_torch(layer))

        module = zoo.interop.to_torch(layer, "module")      # the same

    Args:
        source: an Elman, LSTM, projected LSTM or GRU cell; a layer of one of them with
            equal sizes, in one direction or both; or a model with one stack of such
            layers.
        form: ``"state_dict"`` for tensors by name, ``"arrays"`` for the same as NumPy
            arrays, ``"module"`` for a ``torch.nn`` RNN, LSTM or GRU with
            ``batch_first=True``, or the module of a cell.

    Returns:
        A state dict, in which the bias is in ``bias_ih``, and ``bias_hh`` is zero
        except for the gate n of a GRU. Or a module with all options: sizes, direction,
        dropout between the layers, nonlinearity.

    Raises:
        ValueError: if PyTorch has no equivalent layer or cell, or if the dropout
            differs between layers, for ``form="module"``.
        TypeError: if `source` is something else.
        ImportError: if torch is not installed, which only ``form="arrays"`` does not
            need.
    """
    checks.one_of("form", form, ("state_dict", "arrays", "module"))
    part = recurrent_part(source)
    arrays = _arrays(part)
    if form == "arrays":
        return arrays
    torch = import_library("torch", "form='arrays' returns its tensors as NumPy arrays")

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
    name = name_of(cell, NAMES, "torch")
    if isinstance(part, Cell):
        if projected:
            raise ValueError("torch.nn.LSTMCell has no projection: convert a layer")
        return name + "Cell", options
    options |= {
        "num_layers": len(layers),
        "bidirectional": len(layers[0]) == 2,
        "dropout": _dropout(part),
        "batch_first": True,
    }
    return name, options


def _dropout(layer: Layer) -> float:
    """Return the only rate of dropout between the levels of a stack."""
    rates = list(dropout_rates(layer))
    if len(set(rates)) > 1:
        raise ValueError(
            "torch has the same dropout between all layers, got the rates "
            f"{', '.join(map(str, rates))}, lowest first: set the dropout of each "
            "zoo.Stacked to the same rate, or use form='state_dict', which has none"
        )
    return rates[0] if rates else 0.0


def _arrays(part: Cell | Layer) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict."""
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
