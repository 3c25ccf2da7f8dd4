"""How rows, parameters and the optimiser's state are divided over devices."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import PartitionSpec

from tests.helpers.training import TASKS, flags
from zoo.tasks.layout import WHOLE, Layout, RowShard
from zoo.tasks.registry import TASKS as TASK_CLASSES


@given(
    batch_size=st.integers(1, 200),
    count=st.integers(1, 16),
    parts=st.integers(1, 4),
)
def test_shards_hold_every_row_once(batch_size: int, count: int, parts: int) -> None:
    shards = [RowShard(k, k + 1, count).divided(parts) for k in range(count)]
    bounds = [shard.rows(batch_size) for shard in shards]
    assert bounds[0][0] == 0
    assert all(a[1] == b[0] for a, b in zip(bounds, bounds[1:], strict=False))
    padded = bounds[-1][1]
    sizes = {stop - start for start, stop in bounds}
    assert len(sizes) == 1 and sizes.pop() % parts == 0
    assert batch_size <= padded < batch_size + count * parts
    assert RowShard(0, count, count).divided(parts).rows(batch_size) == (0, padded)
    assert WHOLE.rows(batch_size) == (0, batch_size)


@pytest.mark.parametrize("name", TASKS)
def test_the_shards_of_a_batch_are_the_batch(
    name: str, tmp_path: Path, data_cache: None
) -> None:
    kind = TASK_CLASSES[name]
    task = kind(tyro.cli(kind.Config, args=flags(name, tmp_path)))
    for split, seed in (("train", 3), ("dev", None)):
        whole = list(task.batches(split, seed))
        # Of 8 rows, 3 in a shard, so that the last one has only 2.
        shards = [task.batches(split, seed, RowShard(k, k + 1, 3)) for k in range(3)]
        for batch, *parts in zip(whole, *shards, strict=True):
            for key, array in batch.items():
                joined = np.concatenate([part[key] for part in parts])
                np.testing.assert_array_equal(joined[: len(array)], array, key)
            mask = np.concatenate([part["mask"] for part in parts])
            assert not mask[len(batch["mask"]) :].any()


@pytest.mark.parametrize("mesh", ["", "data=1", "model=1", "data=1,model=1"])
def test_one_device_divides_nothing(mesh: str) -> None:
    layout = Layout(mesh)
    assert layout.mesh.shape == {"data": 1, "model": 1}
    assert layout.own_rows == layout.all_rows == WHOLE
    params = {"embedding": {"table": np.zeros((100_000, 2), np.float32)}}
    assert layout.describe(params) is None
    assert layout.of_params(params)["embedding"]["table"].is_fully_replicated


@pytest.fixture
def layout() -> Layout:
    """Return a layout for 8 devices that does not place any array."""
    layout = Layout(shard_optimizer=True)
    layout.mesh = jax.sharding.AbstractMesh((2, 4), ("data", "model"))  # pyright: ignore
    layout.replicated = jax.sharding.NamedSharding(layout.mesh, PartitionSpec())
    return layout


def test_tables_are_divided_along_their_longest_axis(layout: Layout) -> None:
    shapes = {
        "embedding": {"table": (10_000, 30)},
        "decoder": {
            "embedding": {"table": (1_000_001, 8)},
            "output": {"W": (16, 4096)},
        },
        "output": {"W": (1001, 33), "b": (1001,)},
        "layers": {"U": (256, 1024)},
        "small": {"embedding": {"table": (100, 100)}},
    }
    params = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, np.float32),
        shapes,
        is_leaf=lambda x: isinstance(x, tuple),
    )
    specs = jax.tree.map(lambda layout: layout.spec, layout.of_params(params))
    assert specs["embedding"]["table"] == PartitionSpec("model", None)
    # 1,000,001 is not divisible by 4, 8 is.
    assert specs["decoder"]["embedding"]["table"] == PartitionSpec(None, "model")
    assert specs["decoder"]["output"]["W"] == PartitionSpec(None, "model")
    whole = (specs["output"]["W"], specs["layers"]["U"])
    assert {*whole, specs["small"]["embedding"]["table"]} == {PartitionSpec(None, None)}
    state = layout.of_opt_state(optax.adam(1e-3), params)
    (moments,) = [
        part for part in jax.tree.leaves(state, is_leaf=is_adam) if is_adam(part)
    ]
    assert moments.count.spec == PartitionSpec()
    for moment in (moments.mu, moments.nu):
        assert moment["embedding"]["table"].spec == PartitionSpec("model", "data")
        # Only the parameters themselves are whole on each device.
        assert moment["layers"]["U"].spec == PartitionSpec(None, "data")
        assert moment["output"]["W"].spec == PartitionSpec(None, None)


def is_adam(value: Any) -> bool:
    """Return whether a part of an optimiser's state is that of Adam."""
    return isinstance(value, optax.ScaleByAdamState)
