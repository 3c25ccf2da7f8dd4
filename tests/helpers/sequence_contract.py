"""The contract of layers about padding, rows, resets, states and directions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.helpers.subject import ALL, MASK, NEVER, B, Subject, T, rows_of
from tests.helpers.tolerances import (
    REFERENCE,
    SCHEDULE,
    assert_close,
    assert_identical,
    error,
)
from zoo.engine.broadcast import spread
from zoo.engine.masks import select
from zoo.types import Array

one_of_each_kind = pytest.mark.one_of_each_kind


class SequenceContract:
    """Each test asserts one property of the layer ``subject`` over sequences."""

    def test_state_keeps_structure_shapes_and_dtypes(self, subject: Subject) -> None:
        final, y = subject.run(*subject.args())
        described = jax.tree.map(lambda a: (a.shape, str(a.dtype)), final)
        initial = subject.layer.init_state(B)
        assert described == jax.tree.map(lambda a: (a.shape, str(a.dtype)), initial)
        assert y.shape == (B, T, *subject.layer.output_shape)
        assert np.isfinite(y).all()

    def test_the_initial_state_can_be_donated(self, subject: Subject) -> None:
        leaves = jax.tree.leaves(subject.layer.init_state(B))
        buffers = [leaf.unsafe_buffer_pointer() for leaf in leaves if leaf.size]
        assert len(set(buffers)) == len(buffers), "two parts share a buffer"

    def test_nan_in_padding_changes_nothing(self, subject: Subject) -> None:
        poisoned = np.where(MASK[..., None], subject.x, np.nan).astype(np.float32)
        zeros = np.where(MASK[..., None], subject.x, 0).astype(np.float32)
        for program in (subject.run, subject.learn):
            actual = program(*subject.args(poisoned))
            assert_identical(actual, program(*subject.args(subject.x)))
            assert_identical(actual, program(*subject.args(zeros)))
        flags = NEVER.copy()
        flags[~MASK] = True  # a reset at padding has no effect
        assert_identical(
            subject.run(*subject.args(reset=flags)), subject.run(*subject.args())
        )

    def test_outputs_and_gradients_at_padding_are_zero(self, subject: Subject) -> None:
        _, y = subject.run(*subject.args())
        assert (np.asarray(y)[~MASK] == 0).all()
        (_, d_x, _), _ = subject.learn(*subject.args())
        assert (np.asarray(d_x)[~MASK] == 0).all()
        # The gradient at a token is also zero where all units of a ReLU are inactive.
        assert (np.abs(np.asarray(d_x)[MASK]).max(axis=-1) > 0).mean() > 0.8

    def test_empty_row_returns_its_initial_state(self, subject: Subject) -> None:
        final, _ = subject.run(*subject.args())
        assert_identical(rows_of(final, 2), rows_of(subject.state, 2))

    @one_of_each_kind
    def test_empty_row_returns_the_default_initial_state(
        self, subject: Subject
    ) -> None:
        final, _ = subject.apply(subject.params, subject.x, MASK)
        initial = subject.apply(subject.params, B, method="init_state")
        assert_identical(rows_of(final, 2), rows_of(initial, 2))

    def test_rows_never_mix(self, subject: Subject) -> None:
        """The inputs and states of other rows do not change the results of a row."""
        for row in (0, 4):
            others = np.arange(B) != row
            x = np.where(others[:, None, None], -2 * subject.x, subject.x)
            state = jax.tree.map(
                lambda s: np.where(spread(others, s), 1 + abs(s), s),  # noqa: B023
                subject.state,
            )
            changed = subject.run(*subject.args(x, state=state))
            original = subject.run(*subject.args())
            assert_close(
                rows_of(changed, row), rows_of(original, row), subject.schedule
            )

    @one_of_each_kind
    def test_row_alone_equals_row_in_batch(self, subject: Subject) -> None:
        final, y = subject.run(*subject.args())
        for row in range(B):
            one = slice(row, row + 1)
            state = rows_of(subject.state, one)
            f1, y1 = subject.run(
                subject.params, subject.x[one], MASK[one], state, NEVER[one]
            )
            assert_close((f1, y1), rows_of((final, y), one), REFERENCE)

    @one_of_each_kind
    def test_chunks_with_carried_state_equal_the_sequence(
        self, subject: Subject
    ) -> None:
        if subject.layer.direction == "both":
            pytest.skip("a bidirectional layer cannot carry its state")
        final, y = subject.run(*subject.args())
        half = T // 2
        parts = [slice(0, half), slice(half, T)]
        if subject.layer.direction == "reverse":
            parts.reverse()
        state, ys = subject.state, {}
        for part in parts:
            state, ys[part.start] = subject.run(
                subject.params,
                subject.x[:, part],
                MASK[:, part],
                state,
                NEVER[:, part],
            )
        joined = np.concatenate([ys[0], ys[half]], axis=1)
        assert_close((state, joined), (final, y), subject.schedule)

    def test_resets_equal_separate_sequences(self, subject: Subject) -> None:
        """Three packed sequences of 2, 1 and 3 tokens equal the same in three rows."""
        starts = [0, 2, 3]
        reset, packed = NEVER.copy(), subject.x[:1].repeat(B, axis=0)
        reset[:, starts] = True
        separate = np.zeros_like(packed)
        mask = NEVER.copy()
        for row, (a, b) in enumerate(zip(starts, [*starts[1:], T], strict=True)):
            separate[row, : b - a] = packed[row, a:b]
            mask[row, : b - a] = True
        initial = subject.apply(subject.params, B, method="init_state")
        # The first reset overrides the given state, but a reversed loop uses it.
        state = subject.state if subject.layer.direction == "forward" else initial
        final, y = subject.run(*subject.args(packed, ALL, state, reset))
        expected, y_rows = subject.run(*subject.args(separate, mask, initial))
        joined = np.concatenate([y_rows[0, :2], y_rows[1, :1], y_rows[2, :3]])
        assert_close(y[0], joined, subject.schedule)
        # The final state is that of the last sequence; in reverse, that of the first.
        for leaf, other in zip(
            jax.tree.leaves(final), jax.tree.leaves(expected), strict=True
        ):
            assert_either(leaf[0], {"forward": other[2], "reverse": other[0]}, subject)

    @one_of_each_kind
    def test_states_equal_final_states_of_prefixes(self, subject: Subject) -> None:
        """The state after step t is the final state of the sequence up to t."""
        states = subject.states(*subject.args())
        final, _ = subject.run(*subject.args())
        for leaf, steps in zip(
            jax.tree.leaves(final), jax.tree.leaves(states), strict=True
        ):
            ends = {"forward": steps[:, -1], "reverse": steps[:, 0]}
            assert_either(leaf, ends, subject)
        direction = subject.layer.direction
        for step in range(T) if direction != "both" else ():
            times = np.arange(T)
            prefix = times >= step if direction == "reverse" else times <= step
            cut, _ = subject.run(*subject.args(mask=MASK & prefix))
            now = [steps[:, step] for steps in jax.tree.leaves(states)]
            assert_close(now, jax.tree.leaves(cut), subject.schedule)

    def test_python_loop_over_steps_equals_the_sequence(self, subject: Subject) -> None:
        if subject.layer.direction != "forward":
            with pytest.raises(ValueError, match="cannot step.*whole sequence"):
                subject.layer.step(subject.state, subject.x[:, 0])
            return
        step = jax.jit(lambda p, s, x: subject.apply(p, s, x, method="step"))
        state, outputs = subject.state, []
        for t in range(T):
            real = jnp.asarray(MASK[:, t])
            new, y_t = step(subject.params, state, subject.x[:, t])
            state = select(real, new, state)
            outputs.append(np.where(spread(real, y_t), y_t, 0))
        looped = state, np.stack(outputs, axis=1)
        assert_close(looped, subject.run(*subject.args()), subject.schedule)

    @one_of_each_kind
    def test_reverse_equals_flipped_inputs_and_outputs(self, subject: Subject) -> None:
        if not isinstance(subject.layer, zoo.Recurrent):
            pytest.skip("only Recurrent has the option reverse")
        reversed_ = subject.with_options(reverse=not subject.layer.reverse)
        order = np.tile(np.arange(T), (B, 1))
        for row in range(B):
            tokens = np.flatnonzero(MASK[row])
            order[row, tokens] = tokens[::-1]

        def flip(a: Any) -> np.ndarray:
            return np.take_along_axis(np.asarray(a), order[..., None], axis=1)

        final, y = reversed_.run(*subject.args(flip(subject.x)))
        assert_close((final, flip(y)), subject.run(*subject.args()), subject.schedule)


def assert_either(actual: Array, expected: dict[str, Array], subject: Subject) -> None:
    """Compare with the value for the direction of the layer.

    In a bidirectional layer the state belongs to one of the directions, and equality
    with either value suffices.
    """
    direction = subject.layer.direction
    ends = [expected[direction]] if direction in expected else list(expected.values())
    assert min(error(actual, end) for end in ends) <= SCHEDULE
