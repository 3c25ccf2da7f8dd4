"""Recurrent neural networks in JAX and Flax: cells, layers and models for text.

::

    from flax import nnx
    from zoo import LSTM

    layer = LSTM(50, 100, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    state, y = layer(x, mask)       # x [B, T, 50] -> y [B, T, 200]

The public names are those of `zoo.public`. The first use of one loads them all: a
program that only prints a help text or reads data does not wait for JAX.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo.version import VERSION as __version__

if TYPE_CHECKING:
    from zoo.public import *
    from zoo.public import __all__ as __all__

FUNCTIONS = ("cells", "functional", "summary")  # which modules have the names of, too


class _Package(ModuleType):
    """The package, in which a function hides the module of its name."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, as the import of a module does after it."""
        if name not in FUNCTIONS or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


if not TYPE_CHECKING:  # which would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name not in FUNCTIONS and _is_module(name):
            return importlib.import_module(f"zoo.{name}")
        if not name.startswith("__") or name == "__all__":
            public = importlib.import_module("zoo.public")
            for public_name in ("__all__", *public.__all__):
                globals()[public_name] = getattr(public, public_name)
        if name in globals():
            return globals()[name]
        message = f"module 'zoo' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(f"zoo.{name}") is not None


def __dir__() -> list[str]:
    public = importlib.import_module("zoo.public")
    return sorted({*globals(), *public.__all__})
