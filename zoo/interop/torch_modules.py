"""Which modules of PyTorch can be converted, and their wrappers."""

from typing import Any

from zoo.interop.torch_cells import NAMES
from zoo.interop.torch_state_dict import MERGE, REPARAMETRISED, selection

# The kind of each class in ``torch.nn``.
MODULES = {
    name + suffix: name.lower() for suffix in ("", "Cell") for name in NAMES.values()
}
# Wrappers that compute the same as the module inside, and the attribute that holds it.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",  # torch.compile
    "DataParallel": "module",
    "DistributedDataParallel": "module",
}


def unwrap(source: Any) -> Any:
    """Return the recurrent module of ``torch.nn`` that an object is or wraps.

    Args:
        source: any object.

    Raises:
        TypeError: if it is something else; the message says how it can be converted.
    """
    while type(source).__module__.startswith("torch.") and (
        attribute := _WRAPPERS.get(type(source).__name__)
    ):
        source = getattr(source, attribute)
    kinds = ", ".join(MODULES)
    expected = f"source must be one of torch.nn's {kinds}, or a state dict"
    if type(source).__module__.startswith("torch.ao.nn.quantized"):
        raise TypeError(
            f"{expected}, got a quantised module, whose weights are packed integers: "
            "convert the float module that was quantised"
        )
    if not callable(getattr(source, "state_dict", None)):
        raise TypeError(f"{expected}, got {type(source)}")
    names = list(source.state_dict())
    original = getattr(source, "original_name", None)
    base = next((c for c in type(source).__mro__ if _is_recurrent(c)), None)
    if original not in MODULES and base is None:
        raise TypeError(f"{expected}, got {type(source)}{selection(names)}")
    if any(REPARAMETRISED.search(name) for name in names):
        raise TypeError(
            "source has weight norm or another parametrisation: first merge the parts "
            f"of its weights, {MERGE}"
        )
    if base is None:
        what, name = "a scripted or traced module", str(original)
    elif type(source) is not base:
        what, name = f"a subclass of torch.nn.{base.__name__}", base.__name__
    elif source._forward_hooks or source._forward_pre_hooks:
        what, name = "a module with forward hooks", base.__name__
    elif "forward" in vars(source):
        what, name = "a module whose forward method is overridden", base.__name__
    else:
        return source
    raise TypeError(
        f"source is {what}, {type(source)}, and may compute something else; to take "
        f"only its weights, use from_torch(source.state_dict(), {MODULES[name]!r})"
    )


def _is_recurrent(cls: type) -> bool:
    """Return whether a class is one of the modules that can be converted."""
    return cls.__module__ == "torch.nn.modules.rnn" and cls.__name__ in MODULES
