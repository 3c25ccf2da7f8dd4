"""Custom calls whose rows XLA divides among devices.

Under ``jax.jit``, XLA divides a program among the devices of a mesh after it is traced.
It cannot see into a custom call: without more, each device would gather all rows and
compute all of them. The calls here declare their rows (`jax.experimental.
custom_partitioning`): each device computes its own, and the gradients of the matrices,
which sum over the rows, are summed over the devices. A program for one device, and one
inside ``jax.shard_map``, contains the plain custom call.
"""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import (
    ArrayMapping,
    SdyShardingRule,
    custom_partitioning,
)
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from zoo.engine.varying import vary_alike
from zoo.types import Array


class CustomCall(NamedTuple):
    """A custom call, apart from its operands. Results are float32.

    Attributes:
        name: the name that it is registered under.
        attributes: static arguments.
        aliases: ``(operand, result)`` pairs that share their memory.
        shapes: of the results.
        operand_rows: whether each operand has the rows as its first axis.
        result_rows: whether each result does. Others are sums over the rows.
        vmap: ``"sequential"``: `jax.vmap` makes one call after the other;
            ``"broadcast_all"``: one call with another axis in front.
        depth: number of those axes.
    """

    name: str
    attributes: tuple[tuple[str, Any], ...]
    aliases: tuple[tuple[int, int], ...]
    shapes: tuple[tuple[int, ...], ...]
    operand_rows: tuple[bool, ...]
    result_rows: tuple[bool, ...]
    vmap: str
    depth: int = 0

    def __call__(self, *operands: Array) -> list[Array]:
        """Call the kernel with all rows, or with those of one device."""
        operands = vary_alike(*operands)
        shapes = self.shapes
        for rows in self._rows(operands):
            shapes = [
                (*shape[: self.depth], rows, *shape[self.depth + 1 :]) if has else shape
                for shape, has in zip(shapes, self.result_rows, strict=True)
            ]
        like = jax.typeof(operands[0])
        sharding = NamedSharding(like.sharding.mesh, PartitionSpec())
        types = [
            jax.ShapeDtypeStruct(
                shape, jnp.float32, sharding=sharding, manual_axis_type=like.mat
            )
            for shape in shapes
        ]
        aliases = dict(self.aliases)
        call = jax.ffi.ffi_call(self.name, types, input_output_aliases=aliases)
        return list(call(*operands, **dict(self.attributes)))

    def batched(self, size: int) -> "CustomCall":
        """Return the call with another axis in front."""
        shapes = tuple((size, *shape) for shape in self.shapes)
        return self._replace(shapes=shapes, depth=self.depth + 1)

    def _rows(self, operands: Sequence[Array]) -> set[int]:
        """Return the number of rows; nothing if no operand has rows."""
        pairs = zip(operands, self.operand_rows, strict=True)
        return {a.shape[self.depth] for a, has in pairs if has}


def divided(call: CustomCall, *operands: Array) -> list[Array]:
    """Return the results of a custom call, computed by the devices that hold the rows.

    Args:
        call: the call.
        *operands: its operands.
    """

    @jax.custom_batching.custom_vmap
    def run(*operands: Array) -> list[Array]:
        # The partitioner before Shardy needs other rules: with it, each device computes
        # all rows.
        by_row = jax.config.jax_use_shardy_partitioner  # pyright: ignore[reportAttributeAccessIssue]
        return _partitioned(call, *operands) if by_row else call(*operands)

    @run.def_vmap
    def run_batched(
        size: int, batched: Sequence[bool], *operands: Array
    ) -> tuple[list[Array], list[bool]]:
        if call.vmap == "broadcast_all":
            pairs = zip(operands, batched, strict=True)
            copies = [
                a if has else jnp.broadcast_to(a, (size, *a.shape)) for a, has in pairs
            ]
            results = divided(call.batched(size), *copies)
        else:

            def one(k: Array) -> list[Array]:
                pairs = zip(operands, batched, strict=True)
                return divided(call, *(a[k] if has else a for a, has in pairs))

            results = jax.lax.map(one, jnp.arange(size))
        return results, [True] * len(results)

    return run(*operands)


def _partition(
    call: CustomCall, mesh: Mesh, operands: Sequence[Any], results: Any
) -> tuple[Mesh, Any, Any, Any]:
    """Return what each device computes, and how operands and results are sharded."""
    mesh, axes = _row_axes(call, mesh, operands)

    def compute(*operands: Array) -> list[Array]:
        pairs = zip(call(*operands), call.result_rows, strict=True)
        return [a if has or not axes else jax.lax.psum(a, axes) for a, has in pairs]

    shardings = partial(_shardings, call, mesh, axes)
    operand_shardings = tuple(shardings(call.operand_rows))
    return mesh, compute, shardings(call.result_rows), operand_shardings


def _shardings(
    call: CustomCall, mesh: Mesh, axes: Any, has_rows: Sequence[bool]
) -> list[NamedSharding]:
    """Return the shardings of arrays with and without rows."""
    rows = PartitionSpec(*[None] * call.depth, axes)
    return [NamedSharding(mesh, rows if has else PartitionSpec()) for has in has_rows]


def _row_axes(
    call: CustomCall, mesh: Mesh, operands: Sequence[Any]
) -> tuple[Mesh, Any]:
    """Return the mesh, and its axes that divide the rows evenly, or None."""
    if mesh.empty:
        # XLA has divided the program, but JAX does not know over which axes.
        devices = sorted(operands[0].sharding.device_set, key=lambda device: device.id)
        return Mesh(devices, ("devices",)), None
    for operand, has in zip(operands, call.operand_rows, strict=True):
        if has:
            axes = operand.sharding.spec[call.depth]
            names = axes if isinstance(axes, tuple) else (axes,)
            devices = prod(mesh.shape[name] for name in names if name is not None)
            even = operand.shape[call.depth] % devices == 0
            return mesh, axes if even else None
    return mesh, None


def _sharding_rule(
    call: CustomCall, mesh: Mesh, operands: Sequence[Any], results: Sequence[Any]
) -> SdyShardingRule:
    """Return the rule that all arrays with rows are sharded alike, and only by row."""
    whole: list[str] = []

    def axes(value: Any, has_rows: bool) -> ArrayMapping:
        names = []
        for k in range(len(value.shape)):
            if has_rows and k == call.depth:
                names.append("rows")
            else:
                whole.append(f"whole_{len(whole)}")
                names.append(whole[-1])
        return ArrayMapping(*names)

    return SdyShardingRule(
        tuple(map(axes, operands, call.operand_rows)),
        tuple(map(axes, results, call.result_rows)),
        need_replication_factors=tuple(whole),
    )


_partitioned = custom_partitioning(
    lambda call, *operands: call(*operands), static_argnums=(0,)
)
_partitioned.def_partition(_partition, sharding_rule=_sharding_rule)
