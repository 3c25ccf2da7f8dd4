"""The libraries: which there are, and what each can do.

A peer lives in a module of its own, which only its worker imports.
"""

import contextlib
import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.cases import CONV, GATES, LINEAR, MATRIX, Device, DType

ALL = ("rnn", "lstm", "gru")


@dataclass(frozen=True)
class Peer:
    """What is known of a peer without importing it.

    Attributes:
        name: as in the tables.
        home: module and class.
        packages: distributions that it needs; their versions are told.
        cells: which it has.
        lengths: whether it heeds the lengths of the rows; if not, it runs over the
            padding as if that were tokens.
        ragged_only: whether it is the same as another on rows of one length.
        other_form: cells that are another function here, compared with the same
            function among ours.
        bfloat16: whether it can compute in that.
        devices: where it is something of its own.
        parts: of the benchmark that it takes part in; by default all.
        extras: distributions that it uses where they are installed, and which are told
            then.
    """

    name: str
    home: str
    packages: tuple[str, ...]
    cells: tuple[str, ...] = ALL
    lengths: bool = True
    ragged_only: bool = False
    other_form: tuple[str, ...] = ()
    bfloat16: bool = True
    devices: tuple[Device, ...] = ("cpu", "gpu")
    parts: tuple[str, ...] | None = None
    extras: tuple[str, ...] = ()

    def computes(self, dtype: DType) -> bool:
        """Return whether it can compute in a dtype.

        Args:
            dtype: of the inputs and the products.
        """
        return self.bfloat16 or dtype == "float32"

    def versions(self) -> dict[str, str] | None:
        """Return the versions of the packages, or None if one is not installed."""
        try:
            found = {name: importlib.metadata.version(name) for name in self.packages}
        except importlib.metadata.PackageNotFoundError:
            return None
        for name in self.extras:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(name)
        return found

    def load(self) -> Any:
        """Import the peer and make one."""
        module, name = self.home.split(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)()


# The GRU of Haiku resets before the product, its simple network has a ReLU.
_HAIKU = ("rnn", "gru")
OURS, CUDNN, OTHER_FORM = "zoo", "jax cudnn", "zoo (Haiku's form)"
SCAN, REMAT = "zoo scan", "zoo remat"
REMAT_OPTION = "step"  # what the latter is made with
_JAX, _KERNELS = ("jax", "flax"), ("rnn-zoo-native",)
_PEERS = (
    Peer(OURS, "zoo:Zoo", _JAX, (*GATES, *LINEAR, *MATRIX, CONV), extras=_KERNELS),
    Peer(SCAN, "zoo:Scan", _JAX, (*GATES, *LINEAR, *MATRIX)),
    Peer(
        REMAT,
        "zoo:Remat",
        _JAX,
        devices=("cpu",),
        parts=("memory",),
        extras=_KERNELS,
    ),
    Peer(
        OTHER_FORM,
        "zoo:OtherForm",
        _JAX,
        _HAIKU,
        other_form=_HAIKU,
        extras=_KERNELS,
    ),
    Peer("torch", "torch:Padded", ("torch",), lengths=False),
    Peer("torch packed", "torch:Packed", ("torch",), ragged_only=True),
    Peer("linen", "flax:Linen", _JAX, (*ALL, "reset_after_mgu", CONV)),
    Peer("linen optimized", "flax:LinenOptimized", _JAX, ("lstm",)),
    Peer("nnx", "flax:NNX", _JAX),
    Peer("nnx optimized", "flax:NNXOptimized", _JAX, ("lstm",)),
    Peer(
        "haiku",
        "haiku:Haiku",
        ("jax", "dm-haiku"),
        lengths=False,
        other_form=_HAIKU,
        bfloat16=False,
    ),
    Peer(
        "equinox", "equinox:Equinox", ("jax", "equinox"), ("lstm", "gru"), lengths=False
    ),
    Peer("keras", "keras:Keras", ("jax", "keras"), (*ALL, "reset_before_gru", CONV)),
    Peer(CUDNN, "cudnn:Cudnn", ("jax",), ("lstm",), bfloat16=False, devices=("gpu",)),
)
PEERS = {peer.name: peer for peer in _PEERS}
