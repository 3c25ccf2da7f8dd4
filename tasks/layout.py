"""How batches, parameters and the optimiser's state are divided over the devices.

The devices of all processes form a mesh with two axes. The rows of a batch are divided
over ``data``, large tables of parameters over ``model``. XLA inserts the communication;
the results are those of one device up to rounding.
"""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from zoo.tasks.optimizer_state import map_params
from zoo.types import Params

# A smaller array is not divided: to collect it takes longer than to read it.
MIN_SIZE = 1 << 14
_DIVIDED = ("embedding", "output")  # modules with a row or a column per token


class RowShard(NamedTuple):
    """A part of the rows of each batch, in equal shards.

    Batches whose rows cannot be divided evenly are filled up with padding.

    Attributes:
        start: the first shard.
        stop: the shard after the last one.
        count: number of shards of a batch.
    """

    start: int = 0
    stop: int = 1
    count: int = 1

    def rows(self, batch_size: int) -> tuple[int, int]:
        """Return the first row, and the row after the last; rows from B are padding.

        Args:
            batch_size: B.
        """
        size = -(-batch_size // self.count)
        return self.start * size, self.stop * size

    def divided(self, parts: int) -> "RowShard":
        """Return the same part of the rows, in shards that are divided further.

        Args:
            parts: of each shard.
        """
        return RowShard(self.start * parts, self.stop * parts, self.count * parts)


WHOLE = RowShard()


class Layout:
    """The mesh of all devices, and where arrays lie on it.

    Attributes:
        mesh: with the axes ``data`` and ``model``.
        replicated: whole on every device.
        by_row: the first axis divided over ``data``.
        all_rows: the rows of whole batches, in as many shards as ``data`` has.
        own_rows: those that the devices of this process compute.
    """

    def __init__(self, mesh: str = "", *, shard_optimizer: bool = False) -> None:
        """Arrange the devices.

        Args:
            mesh: ``--mesh``.
            shard_optimizer: divide the optimiser's state over ``data`` too.

        Raises:
            ValueError: if `mesh` does not describe all devices.
        """
        shape = _parse(mesh, jax.device_count())
        types = (AxisType.Auto, AxisType.Auto)
        self.mesh = jax.make_mesh(shape, ("data", "model"), types)
        self.replicated = NamedSharding(self.mesh, PartitionSpec())
        # With one device, jit returns a replicated layout; a step must return its state
        # with the layout that it received, or the second step compiles again.
        rows = PartitionSpec("data") if jax.device_count() > 1 else PartitionSpec()
        self.by_row = NamedSharding(self.mesh, rows)
        self._shard_optimizer = shard_optimizer
        count, process = shape[0], jax.process_index()
        own = [
            k
            for k, devices in enumerate(self.mesh.devices)
            if any(device.process_index == process for device in devices)
        ]
        self.all_rows = RowShard(0, count, count)
        self.own_rows = RowShard(min(own), max(own) + 1, count)

    @property
    def num_devices(self) -> int:
        """Number of devices of all processes."""
        return self.mesh.size

    def of_rows(self, batch_size: int) -> NamedSharding:
        """Return the layout of arrays ``[B, ...]``: by row, if B can be divided.

        Args:
            batch_size: B.
        """
        even = batch_size % self.all_rows.count == 0
        return self.by_row if even else self.replicated

    def of_params(self, params: Params) -> Any:
        """Return the layout of each parameter.

        The tables of large vocabularies, of embeddings and of the softmax, are divided
        over ``model``. All others remain whole on each device: every step of the time
        loop reads all weights of a recurrent layer.

        Args:
            params: arrays, or their shapes.
        """

        def layout(path: Any, leaf: Any) -> NamedSharding:
            spec: list[str | None] = [None] * leaf.ndim
            names = [getattr(key, "key", None) for key in path]
            if leaf.size >= MIN_SIZE and names[-2:-1] and names[-2] in _DIVIDED:
                self._divide(spec, leaf.shape, "model")
            return NamedSharding(self.mesh, PartitionSpec(*spec))

        return jax.tree.map_with_path(layout, params)

    def of_opt_state(self, tx: optax.GradientTransformation, params: Params) -> Any:
        """Return the layout of the optimiser's state: as the parameters, or finer.

        Args:
            tx: the optimiser.
            params: arrays, or their shapes.
        """

        def layout(leaf: Any, of_param: NamedSharding) -> NamedSharding:
            if leaf.ndim < len(of_param.spec):
                return self.replicated  # a number per parameter array, as of novograd
            spec = list(of_param.spec) + [None] * (leaf.ndim - len(of_param.spec))
            if self._shard_optimizer and leaf.size >= MIN_SIZE:
                self._divide(spec, leaf.shape, "data")
            return NamedSharding(self.mesh, PartitionSpec(*spec))

        return map_params(
            layout,
            jax.eval_shape(tx.init, params),
            self.of_params(params),
            other=lambda _: self.replicated,
        )

    def _divide(
        self, spec: list[str | None], shape: tuple[int, ...], axis: str
    ) -> None:
        """Divide the longest axis that is whole and divisible, if there is one."""
        parts = self.mesh.shape[axis]
        fitting = [k for k, n in enumerate(shape) if not spec[k] and n % parts == 0]
        if parts > 1 and fitting:
            spec[max(fitting, key=lambda k: shape[k])] = axis

    def place(self, arrays: Any, layout: Any) -> Any:
        """Put arrays that all processes hold completely onto the devices.

        Args:
            arrays: a pytree.
            layout: a pytree of layouts, or one for all arrays.
        """
        if jax.process_count() == 1:
            return jax.device_put(arrays, layout)
        if isinstance(layout, NamedSharding):
            layout = jax.tree.map(lambda _: layout, arrays)

        def put(array: Any, sharding: NamedSharding) -> jax.Array:
            # `device_put` would compare the arrays of all processes first.
            whole = np.asarray(array)
            return jax.make_array_from_callback(
                whole.shape, sharding, lambda index: whole[index]
            )

        return jax.tree.map(put, arrays, layout)

    def place_rows(self, batch: Any, shard: RowShard) -> Any:
        """Put a part of a batch onto the devices of this process.

        Args:
            batch: numpy arrays ``[n, ...]`` of the rows of `shard`.
            shard: `own_rows` or `all_rows`.
        """
        # With one device the compiled step transfers the arrays itself, and faster.
        if self.num_devices == 1:
            return batch

        def put(rows: np.ndarray) -> jax.Array:
            size = len(rows) // (shard.stop - shard.start)
            shape = (size * shard.count, *rows.shape[1:])
            first = shard.start * size

            def part(index: Any) -> np.ndarray:
                start, stop, _ = index[0].indices(shape[0])
                return rows[start - first : stop - first]

            return jax.make_array_from_callback(shape, self.by_row, part)

        return jax.tree.map(put, batch)

    def describe(self, params: Params) -> str | None:
        """Return in words how a model is divided, None for one device.

        Args:
            params: of the model.
        """
        if self.num_devices == 1:
            return None
        data, model = self.mesh.shape["data"], self.mesh.shape["model"]
        pairs = zip(
            jax.tree.leaves(params),
            jax.tree.leaves(self.of_params(params)),
            strict=True,
        )
        sizes = {True: 0, False: 0}
        for leaf, layout in pairs:
            sizes[layout.is_fully_replicated] += leaf.size
        parts = [f"each batch is divided over {data}"] if data > 1 else []
        if sizes[False]:
            total = sum(sizes.values())
            parts.append(f"{sizes[False]:,} of {total:,} parameters over {model}")
        else:
            parts.append("every device holds all parameters")
        if self._shard_optimizer:
            parts.append("the optimiser's state is divided too")
        return "; ".join(parts)


def _parse(mesh: str, num_devices: int) -> tuple[int, int]:
    """Return the sizes of ``data`` and ``model``."""
    sizes = {}
    for part in filter(None, mesh.split(",")):
        name, _, size = part.partition("=")
        if name not in ("data", "model") or name in sizes or not size.isdecimal():
            raise ValueError(f"--mesh must be data=N,model=M, got {mesh!r}")
        sizes[name] = int(size)
    if math.prod(sizes.values()) == 0:
        raise ValueError(f"--mesh must have sizes of 1 or more, got {mesh!r}")
    model = sizes.get("model", 1)
    data = sizes.get("data", num_devices // model)
    if data * model != num_devices:
        raise ValueError(
            f"--mesh {mesh} needs {max(data, 1) * model} devices, but there "
            + ("is 1" if num_devices == 1 else f"are {num_devices}")
        )
    return data, model
