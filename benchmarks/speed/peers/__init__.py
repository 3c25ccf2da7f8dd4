"""The libraries of the benchmark, called peers, and what each of them supports.

The code of a peer is in a module of its own, which only its worker imports.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.environment import installed_versions
from benchmarks.speed.cases import (
    CONV,
    LINEAR_CELLS,
    MATRIX_CELLS,
    NUM_GATES,
    Device,
    DType,
)

if TYPE_CHECKING:
    from benchmarks.speed.peers.base import Runner

COMMON_CELLS = ("rnn", "lstm", "gru")


@dataclass(frozen=True)
class Peer:
    """The properties of a peer, known without importing it.

    Attributes:
        name: in the tables.
        runner: ``"module:class"`` of its `Runner`.
        packages: distributions that it needs.
        cells: that it has.
        uses_lengths: whether it skips the padding; if not, it computes padding like
            real tokens.
        ragged_only: whether it equals another peer on rows of one length.
        variant_cells: cells whose equations differ from ours, compared with our
            `VARIANT`.
        bfloat16: whether it supports bfloat16.
        devices: where it is measured.
        parts: of the benchmark in which it is measured; None for all.
        optional_packages: distributions that it uses if they are installed.
    """

    name: str
    runner: str
    packages: tuple[str, ...]
    cells: tuple[str, ...] = COMMON_CELLS
    uses_lengths: bool = True
    ragged_only: bool = False
    variant_cells: tuple[str, ...] = ()
    bfloat16: bool = True
    devices: tuple[Device, ...] = ("cpu", "gpu")
    parts: tuple[str, ...] | None = None
    optional_packages: tuple[str, ...] = ()

    @property
    def uses_jax(self) -> bool:
        """Whether the library is built on JAX."""
        return "jax" in self.packages

    def supports(self, dtype: DType) -> bool:
        """Return whether it can compute in a dtype.

        Args:
            dtype: of the inputs and the matrix products.
        """
        return self.bfloat16 or dtype == "float32"

    def versions(self) -> dict[str, str] | None:
        """Return the versions of its packages, or None if one is not installed."""
        versions = installed_versions((*self.packages, *self.optional_packages))
        return versions if versions.keys() >= {*self.packages} else None

    def load(self) -> "Runner":
        """Import the library and return a new runner."""
        module, name = self.runner.split(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)()


# Haiku's GRU resets before the product, and its simple RNN has a ReLU.
_HAIKU_VARIANTS = ("rnn", "gru")
OURS, CUDNN, VARIANT = "zoo", "jax cudnn", "zoo (Haiku's form)"
SCAN, REMAT = "zoo scan", "zoo remat"
REMAT_OPTION = "step"
_JAX, _KERNELS = ("jax", "flax"), ("rnn-zoo-native",)
_OUR_CELLS = (*NUM_GATES, *LINEAR_CELLS, *MATRIX_CELLS)
_PEERS = (
    Peer(OURS, "zoo:Zoo", _JAX, (*_OUR_CELLS, CONV), optional_packages=_KERNELS),
    Peer(SCAN, "zoo:Scan", _JAX, _OUR_CELLS),
    Peer(
        REMAT,
        "zoo:Remat",
        _JAX,
        devices=("cpu",),
        parts=("memory",),
        optional_packages=_KERNELS,
    ),
    Peer(
        VARIANT,
        "zoo:Variant",
        _JAX,
        _HAIKU_VARIANTS,
        variant_cells=_HAIKU_VARIANTS,
        optional_packages=_KERNELS,
    ),
    Peer("torch", "torch:Padded", ("torch",), uses_lengths=False),
    Peer("torch packed", "torch:Packed", ("torch",), ragged_only=True),
    Peer("linen", "flax:Linen", _JAX, (*COMMON_CELLS, "reset_after_mgu", CONV)),
    Peer("linen optimized", "flax:LinenOptimized", _JAX, ("lstm",)),
    Peer("nnx", "flax:NNX", _JAX),
    Peer("nnx optimized", "flax:NNXOptimized", _JAX, ("lstm",)),
    Peer(
        "haiku",
        "haiku:Haiku",
        ("jax", "dm-haiku"),
        uses_lengths=False,
        variant_cells=_HAIKU_VARIANTS,
        bfloat16=False,
    ),
    Peer(
        "equinox",
        "equinox:Equinox",
        ("jax", "equinox"),
        ("lstm", "gru"),
        uses_lengths=False,
    ),
    Peer(
        "keras",
        "keras:Keras",
        ("jax", "keras"),
        (*COMMON_CELLS, "reset_before_gru", CONV),
    ),
    Peer(CUDNN, "cudnn:Cudnn", ("jax",), ("lstm",), bfloat16=False, devices=("gpu",)),
)
PEERS = {peer.name: peer for peer in _PEERS}


def reference_name(peer: Peer, cell: str) -> str:
    """Return the peer of ours that computes the same function.

    Args:
        peer: any peer.
        cell: its name.
    """
    return VARIANT if cell in peer.variant_cells else OURS
