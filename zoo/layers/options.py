"""The options of a stack of layers, and errors for names that it does not have."""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from zoo.engine.schedule import (
    BackendOption,
    GradientOption,
    LoopsOption,
    ProjectOption,
    StepsOption,
    UnrollOption,
)
from zoo.initializers import BiasInitializer, Initializer


class CellOptions(TypedDict, total=False):
    """Options of every cell, see `zoo.Cell`."""

    bias: bool
    W_init: Initializer | None
    U_init: Initializer | None
    b_init: BiasInitializer | None
    dtype: Any
    param_dtype: Any


class LoopOptions(TypedDict, total=False):
    """Options of every layer, see `zoo.Recurrent`."""

    learn_initial_state: bool
    recurrent_dropout: float
    candidate_dropout: float
    zoneout: float | Mapping[str, float]
    weight_drop: float
    unroll: UnrollOption
    remat: str
    project: ProjectOption
    gradient: GradientOption
    steps: StepsOption
    backend: BackendOption


class Options(CellOptions, LoopOptions, total=False):
    """Options of `RNN`, `LSTM` and `GRU` apart from their own arguments."""

    merge: str
    loops: LoopsOption
    locked_dropout: float


# Arguments of the layers of PyTorch, Keras and Flax, and what replaces them here.
_RENAMED = {
    **dict.fromkeys(("input_dim", "in_features", "input"), "input_size"),
    **dict.fromkeys(("hidden", "hidden_dim", "hidden_features"), "hidden_size"),
    **dict.fromkeys(("units", "features", "num_units", "n_hidden"), "hidden_size"),
    **dict.fromkeys(("layers", "n_layers", "nlayers", "depth"), "num_layers"),
    **dict.fromkeys(("use_bias", "with_bias"), "bias"),
    **dict.fromkeys(("drop", "dropout_rate", "dropout_prob", "p"), "dropout"),
    **dict.fromkeys(("variational_dropout", "input_dropout"), "locked_dropout"),
    **dict.fromkeys(("kernel_init", "kernel_initializer"), "W_init"),
    **dict.fromkeys(("recurrent_kernel_init", "recurrent_initializer"), "U_init"),
    **dict.fromkeys(("bias_init", "bias_initializer"), "b_init"),
}
_REPLACEMENTS = {
    **{name: f"write {new}=" for name, new in _RENAMED.items()},
    "batch_first": "x is always [B, T, D], leave it out",
    "time_major": "x is always [B, T, D], leave it out",
    "nonlinearity": "only zoo.RNN has it",
    "activation": "zoo.RNN calls it nonlinearity=, other layers have none",
    "proj_size": "only zoo.LSTM has it",
    "return_sequences": "y always has the outputs of all steps, leave it out",
    "return_state": "a call always returns (state, y), leave it out",
    "return_carry": "a call always returns (state, y), leave it out",
    "stateful": "pass the state that the last call returned: layer(x, state=state)",
    "reverse": "zoo.Recurrent(cell, reverse=True) reads from the last token",
    "go_backwards": "zoo.Recurrent(cell, reverse=True) reads from the last token",
    "cell": "zoo.make(cell, ...) builds the layers of any cell",
    "key": "write rngs=nnx.Rngs(key)",
    "seed": "write rngs=nnx.Rngs(seed)",
    "device": "leave it out: jax.device_put moves arrays",
}


def check_options(
    owner: type, cell: type, options: Iterable[str], *, more: Iterable[str] = ()
) -> None:
    """Check the names of the options that a stack passes to its layers and cells.

    Args:
        owner: the class that the user calls.
        cell: the class of the cells.
        options: the names of the options.
        more: names that are options as well.

    Raises:
        TypeError: if there is no option of a name; the message says what to write.
    """
    accepted = [*LoopOptions.__annotations__, *argument_names(cell), *more]
    for name in options:
        if name in accepted:
            continue
        names = [*argument_names(owner), *accepted]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
        hint = _REPLACEMENTS.get(name) or (near and f"did you mean {near[0]!r}?")
        cells = f" or {cell.__name__}" if cell is not owner else ""
        message = f"{owner.__name__}{cells} has no argument {name!r}"
        raise TypeError(f"{message}: {hint}" if hint else message)


def argument_names(cls: type) -> list[str]:
    """Return the names of the arguments of a class's constructor.

    Args:
        cls: the class.
    """
    return list(argument_defaults(cls))


def argument_defaults(cls: type) -> dict[str, Any]:
    """Return the defaults of the arguments of a class's constructor, by name.

    A constructor that takes ``**options`` passes them to the one of its base class.

    Args:
        cls: the class.

    Returns:
        ``inspect.Parameter.empty`` for an argument without a default.
    """
    result: dict[str, Any] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        arguments = list(inspect.signature(vars(base)["__init__"]).parameters.values())
        for argument in arguments[1:]:
            if argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL):
                result.setdefault(argument.name, argument.default)
        if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments):
            break
    return result
