"""The contract that every cell and every layer keeps, as tests to inherit.

A case is a function that builds a layer: ``make(rngs, **options) -> Layer``. Programs
are compiled once for a case and serve many checks: whatever can be told by a mask, a
reset or a state is told by data and not by a new shape.
"""

import copy
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers import reference
from tests.helpers.tolerances import (
    BFLOAT16,
    BFLOAT16_GRADIENT,
    FINITE_DIFFERENCE,
    FLOAT64,
    REFERENCE,
    SCHEDULE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
    error,
)
from zoo.engine.loop import select, spread

one_of_each_kind = pytest.mark.one_of_each_kind
B, T, D, H = 5, 6, 3, 4
# Whole, cut short, empty, a single token, and one with holes.
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 1, 0],
    ],
    bool,
)
ALL = np.ones((B, T), bool)
NEVER = np.zeros((B, T), bool)


class Subject:
    """A layer with its inputs and its compiled programs."""

    def __init__(self, make, bfloat16=BFLOAT16):
        """Build the layer, with no parameter left at a special value such as zero."""
        self.make, self.bfloat16 = make, bfloat16
        self.layer = make(nnx.Rngs(0))
        params, self.apply = zoo.functional(self.layer)
        # The one generator whose numbers numpy promises never to change.
        self.rng = np.random.RandomState(0)
        self.params = jax.tree.map(
            lambda p: p + 0.3 * jnp.asarray(self.normal(p.shape), p.dtype), params
        )
        self.x = self.normal((B, T, D))
        state = self.layer.init_state(B)
        self.state = self.drawn_state(state)
        y = jax.eval_shape(lambda: self.layer(self.x)[1])
        self.weights = (self.cotangent(y), jax.tree.map(self.cotangent, state))

    def normal(self, shape) -> np.ndarray:
        """Draw float32 numbers."""
        return self.rng.standard_normal(shape).astype(np.float32)

    def drawn_state(self, state):
        """Draw a state that the layer might have come to."""

        def draw(path, part):
            if not jnp.issubdtype(part.dtype, jnp.inexact):
                return part + 3  # a clock
            drawn = 0.5 * jnp.asarray(self.normal(part.shape), part.dtype)
            # A normaliser is a sum of exponentials.
            return abs(drawn) + 0.5 if jax.tree_util.keystr(path) == ".n" else drawn

        return jax.tree_util.tree_map_with_path(draw, state)

    def cotangent(self, like) -> np.ndarray:
        """Draw the weights of a loss."""
        return self.normal(like.shape)

    def loss(self, params, x, mask, state, reset):
        """Return a sum that depends on every output and every final state, and them."""
        final, y = self.apply(params, x, mask, state, reset=reset)
        terms = jax.tree.map(
            lambda a, w: (a.astype(w.dtype) * w).sum(), (y, final), self.weights
        )
        return sum(jax.tree.leaves(terms)), (final, y)

    @cached_property
    def run(self):
        """Run the layer: ``(params, x, mask, state, reset) -> (state, y)``."""
        return jax.jit(lambda p, x, m, s, r: self.apply(p, x, m, s, reset=r))

    @cached_property
    def states(self):
        """Return the states of all steps."""
        return jax.jit(
            lambda p, x, m, s, r: self.apply(p, x, m, s, reset=r, method="states")
        )

    @cached_property
    def learn(self):
        """Return the gradients by parameters, inputs and state, and ``(state, y)``."""
        gradient = jax.grad(self.loss, argnums=(0, 1, 3), has_aux=True, allow_int=True)

        def learn(*args):
            by, aux = gradient(*args)
            # A clock in the state has no gradient.
            whole = jax.dtypes.float0
            by = jax.tree.map(lambda g: np.zeros(()) if g.dtype == whole else g, by)
            return by, aux

        return jax.jit(learn)

    def record(self, params) -> dict[str, np.ndarray]:
        """Return the parameters, all results and all gradients by name."""
        args = params, *self.args()[1:]
        gradients, results = self.learn(*args)
        tree = {"params": params, "results": results, "gradients": gradients}
        return {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree.leaves_with_path(tree)
        }

    def with_options(self, **options) -> "Subject":
        """Return the same layer with the same weights, built with other options."""
        other = copy.copy(self)
        for program in ("run", "states", "learn"):
            other.__dict__.pop(program, None)
        # Shapes are enough, since the weights are ours: nothing is drawn or compiled.
        other.layer = nnx.eval_shape(lambda: self.make(nnx.Rngs(0), **options))
        nnx.update(other.layer, nnx.state(self.layer, zoo.Constant))
        _, other.apply = zoo.functional(other.layer)
        return other

    def args(self, x=None, mask=MASK, state=None, reset=NEVER):
        """Return the arguments of a program."""
        x = self.x if x is None else x
        return self.params, x, mask, self.state if state is None else state, reset


def last_row(tree, row):
    """Return one row of a tree of ``[B, ...]``."""
    return jax.tree.map(lambda a: a[row], tree)


class Contract:
    """Each test asserts one promise of ``zoo.Layer`` for the layer ``subject``."""

    def test_state_keeps_its_structure(self, subject):
        final, y = subject.run(*subject.args())
        described = jax.tree.map(lambda a: (a.shape, str(a.dtype)), final)
        initial = subject.layer.init_state(B)
        assert described == jax.tree.map(lambda a: (a.shape, str(a.dtype)), initial)
        assert y.shape == (B, T, *subject.layer.output_shape)
        assert np.isfinite(y).all()

    def test_nan_in_padding_changes_nothing(self, subject):
        poisoned = np.where(MASK[..., None], subject.x, np.nan).astype(np.float32)
        zeros = np.where(MASK[..., None], subject.x, 0).astype(np.float32)
        for program in (subject.run, subject.learn):
            actual = program(*subject.args(poisoned))
            assert_identical(actual, program(*subject.args(subject.x)))
            assert_identical(actual, program(*subject.args(zeros)))
        flags = NEVER.copy()
        flags[~MASK] = True  # a reset on padding means nothing
        assert_identical(
            subject.run(*subject.args(reset=flags)), subject.run(*subject.args())
        )

    def test_outputs_at_padding_are_zero_and_get_no_gradient(self, subject):
        _, y = subject.run(*subject.args())
        assert (np.asarray(y)[~MASK] == 0).all()
        (_, by_x, _), _ = subject.learn(*subject.args())
        assert (np.asarray(by_x)[~MASK] == 0).all()
        # A token at which all units of a ReLU rest gets none, either.
        assert (np.abs(np.asarray(by_x)[MASK]).max(axis=-1) > 0).mean() > 0.8

    def test_empty_row_returns_its_initial_state(self, subject):
        final, _ = subject.run(*subject.args())
        assert_identical(last_row(final, 2), last_row(subject.state, 2))

    @one_of_each_kind
    def test_empty_row_returns_what_the_layer_begins_with(self, subject):
        learnt, _ = subject.apply(subject.params, subject.x, MASK)
        begin = subject.apply(subject.params, B, method="init_state")
        assert_identical(last_row(learnt, 2), last_row(begin, 2))

    def test_rows_never_mix(self, subject):
        """What stands in other rows, and in their states, changes nothing in a row."""
        for row in (0, 4):
            others = np.arange(B) != row
            x = np.where(others[:, None, None], -2 * subject.x, subject.x)
            state = jax.tree.map(
                lambda s: np.where(spread(others, s), 1 + abs(s), s),  # noqa: B023
                subject.state,
            )
            changed = subject.run(*subject.args(x, state=state))
            whole = subject.run(*subject.args())
            assert_close(last_row(changed, row), last_row(whole, row), SCHEDULE)

    @one_of_each_kind
    def test_row_alone_equals_row_in_batch(self, subject):
        final, y = subject.run(*subject.args())
        for row in range(B):
            one = slice(row, row + 1)
            state = last_row(subject.state, one)
            f1, y1 = subject.run(
                subject.params, subject.x[one], MASK[one], state, NEVER[one]
            )
            assert_close((f1, y1), last_row((final, y), one), REFERENCE)

    @one_of_each_kind
    def test_chunks_equal_the_whole(self, subject):
        if subject.layer.direction == "both":
            pytest.skip("one direction's state is at the wrong end of a chunk")
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
        assert_close((state, joined), (final, y), SCHEDULE)

    def test_resets_equal_separate_sequences(self, subject):
        """Three sequences in one row, of 2, 1 and 3 tokens, and each in its own row."""
        starts = [0, 2, 3]
        reset, packed = NEVER.copy(), subject.x[:1].repeat(B, axis=0)
        reset[:, starts] = True
        alone = np.zeros_like(packed)
        mask = NEVER.copy()
        for row, (a, b) in enumerate(zip(starts, [*starts[1:], T], strict=True)):
            alone[row, : b - a] = packed[row, a:b]
            mask[row, : b - a] = True
        begin = subject.apply(subject.params, B, method="init_state")
        # Forwards the first reset overrides the state given; a reversed loop uses it.
        given = subject.state if subject.layer.direction == "forward" else begin
        together, y = subject.run(*subject.args(packed, ALL, given, reset))
        apart, y_apart = subject.run(*subject.args(alone, mask, begin))
        joined = np.concatenate([y_apart[0, :2], y_apart[1, :1], y_apart[2, :3]])
        assert_close(y[0], joined, SCHEDULE)
        # Forwards the row ends in its last sequence, in reverse in its first.
        for leaf, other in zip(
            jax.tree.leaves(together), jax.tree.leaves(apart), strict=True
        ):
            assert_either(leaf[0], {"forward": other[2], "reverse": other[0]}, subject)

    @one_of_each_kind
    def test_states_of_all_steps(self, subject):
        """The state after step t is the final state of the sequence cut after t."""
        every = subject.states(*subject.args())
        final, _ = subject.run(*subject.args())
        for leaf, steps in zip(
            jax.tree.leaves(final), jax.tree.leaves(every), strict=True
        ):
            at = {"forward": steps[:, -1], "reverse": steps[:, 0]}
            assert_either(leaf, at, subject)
        direction = subject.layer.direction
        for step in range(T) if direction != "both" else ():
            times = np.arange(T)
            seen = times >= step if direction == "reverse" else times <= step
            cut, _ = subject.run(*subject.args(mask=MASK & seen))
            now = [steps[:, step] for steps in jax.tree.leaves(every)]
            assert_close(now, jax.tree.leaves(cut), SCHEDULE)

    def test_python_loop_over_steps_equals_the_sequence(self, subject):
        if subject.layer.direction != "forward":
            with pytest.raises(ValueError, match="cannot step.*whole sequence"):
                subject.layer.step(subject.state, subject.x[:, 0])
            return
        step = jax.jit(lambda p, s, x: subject.apply(p, s, x, method="step"))
        state, outputs = subject.state, []
        for t in range(T):
            real = MASK[:, t]
            new, y_t = step(subject.params, state, subject.x[:, t])
            state = select(real, new, state)
            outputs.append(np.where(spread(real, y_t), y_t, 0))
        looped = state, np.stack(outputs, axis=1)
        assert_close(looped, subject.run(*subject.args()), SCHEDULE)

    @one_of_each_kind
    def test_reverse_is_flip_run_flip(self, subject):
        if not isinstance(subject.layer, zoo.Recurrent):
            pytest.skip("a layer of one cell has a direction to turn round")
        turned = subject.with_options(reverse=not subject.layer.reverse)
        order = np.tile(np.arange(T), (B, 1))
        for row in range(B):
            tokens = np.flatnonzero(MASK[row])
            order[row, tokens] = tokens[::-1]
        flip = lambda a: np.take_along_axis(np.asarray(a), order[..., None], axis=1)  # noqa: E731
        final, y = turned.run(*subject.args(flip(subject.x)))
        assert_close((final, flip(y)), subject.run(*subject.args()), SCHEDULE)

    @one_of_each_kind
    def test_schedule_changes_nothing(self, subject):
        if not isinstance(subject.layer, zoo.Recurrent):
            pytest.skip("the schedule is that of the layers of one cell")
        other = subject.with_options(
            unroll=2, remat="chunk:4", project="ahead", gradient="loop"
        )
        reset = NEVER.copy()
        reset[:, 2] = True
        args = subject.args(reset=reset)
        gradients, results = other.learn(*args)
        expected_gradients, expected = subject.learn(*args)
        assert_close(results, expected, SCHEDULE)
        assert_close(gradients, expected_gradients, SCHEDULE_GRADIENT)

    @one_of_each_kind
    def test_all_steps_at_once_change_nothing(self, subject):
        if not getattr(getattr(subject.layer, "cell", None), "parallel", False):
            pytest.skip("only the steps of linear cells can be taken at once")
        reset = NEVER.copy()
        reset[:, 2] = True
        args = subject.args(reset=reset)
        loop = subject.with_options(steps="loop")
        expected_gradients, expected = loop.learn(*args)
        whole = subject.with_options(steps="parallel")
        assert_close(whole.run(*args), expected, SCHEDULE)
        assert_close(whole.states(*args), loop.states(*args), SCHEDULE)
        pieces = subject.with_options(steps="parallel", remat="chunk:4")
        gradients, results = pieces.learn(*args)
        assert_close(results, expected, SCHEDULE)
        assert_close(gradients, expected_gradients, SCHEDULE_GRADIENT)
        poisoned = np.where(MASK[..., None], subject.x, np.nan).astype(np.float32)
        dirty = pieces.learn(*subject.args(poisoned, reset=reset))
        assert_identical(dirty, (gradients, results))

    @one_of_each_kind
    def test_without_mask_state_and_reset(self, subject):
        begin = subject.apply(subject.params, B, method="init_state")
        plain = jax.jit(subject.apply)(subject.params, subject.x)
        full = subject.run(*subject.args(mask=ALL, state=begin))
        assert_close(plain, full, SCHEDULE)

    @one_of_each_kind
    def test_vmap_over_parameter_sets(self, subject):
        if not jax.tree.leaves(subject.params):
            pytest.skip("there is no parameter")
        stacked = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p]), subject.params)
        _, *rest = subject.args()
        both = jax.vmap(subject.run, in_axes=(0, None, None, None, None))(
            stacked, *rest
        )
        half = jax.tree.map(lambda p: 0.5 * p, subject.params)
        assert_close(last_row(both, 0), subject.run(*subject.args()), SCHEDULE)
        assert_close(last_row(both, 1), subject.run(half, *rest), SCHEDULE)

    def test_every_parameter_gets_a_gradient(self, subject):
        reset = NEVER.copy()  # so that a learned initial state is used
        reset[:, 1] = True
        args = subject.args(mask=ALL, reset=reset)
        (by_params, _, by_state), _ = subject.learn(*args)
        unread = getattr(getattr(subject.layer, "cell", None), "unread", ())
        for path, g in jax.tree.leaves_with_path((by_params, by_state)):
            name = jax.tree_util.keystr(path)
            if g.shape == () and name[:3] == "[1]" or name.split(".")[-1] in unread:
                continue
            assert np.isfinite(g).all(), f"{name} has a gradient that is not finite"
            assert np.abs(g).max() > 0, f"{name} gets no gradient"

    def test_bfloat16(self, subject):
        low = subject.with_options(dtype=jnp.bfloat16)
        final, y = low.run(*subject.args())
        expected = subject.run(*subject.args())
        assert y.dtype == jnp.bfloat16
        described = jax.tree.map(lambda s: s.dtype, final)
        assert described == jax.tree.map(lambda s: s.dtype, expected[0])
        assert_close((final, y), expected, subject.bfloat16)

    @one_of_each_kind
    def test_gradients_of_bfloat16(self, subject):
        low = subject.with_options(dtype=jnp.bfloat16)
        gradients, _ = low.learn(*subject.args())
        expected, _ = subject.learn(*subject.args())
        assert_close(gradients, expected, BFLOAT16_GRADIENT)

    def test_golden_values(self, subject, golden):
        """What this cell computed when it was last looked at, from the same weights."""
        if golden is None:
            pytest.skip("the values of cells are kept, of a layer of each")
        params = jax.tree.map_with_path(
            lambda path, p: golden["['params']" + jax.tree_util.keystr(path)],
            subject.params,
        )
        assert_close(subject.record(params), golden, REFERENCE)

    def test_float64_against_the_reference(self, subject, reference_name, compared):
        """Outputs, states and a directional derivative, in numpy and in float64."""
        if reference_name is None:
            pytest.skip("the reference is of single cells")
        constants = nnx.state(subject.layer, zoo.Constant)
        constants = jax.tree.map(
            lambda a: np.asarray(a, np.float64) if a.dtype.kind == "f" else a,
            jax.tree.map(np.asarray, nnx.to_pure_dict(constants).get("cell", {})),
        )
        params = {"cell": subject.params.get("cell", {})}
        arrays, clocks = {"x": subject.x, "state": {}, **params}, {}
        for name, part in subject.state._asdict().items():
            if jnp.issubdtype(part.dtype, jnp.inexact):
                arrays["state"][name] = part
            else:
                clocks[name] = np.asarray(part)
        arrays = jax.tree.map(lambda a: np.asarray(a, np.float64), arrays)
        direction = jax.tree.map(lambda a: subject.rng.standard_normal(a.shape), arrays)
        reset = NEVER.copy()
        reset[:, 4] = True
        w_y, w_state = subject.weights

        def run_reference(arrays):
            return reference.run(
                reference_name,
                arrays["cell"] | constants,
                arrays["x"],
                mask=MASK,
                reset=reset,
                reverse=subject.layer.reverse,
                state=arrays["state"] | clocks,
            )[:2]

        def numpy_loss(arrays):
            state, y = run_reference(arrays)
            parts = [(state[name] * w).sum() for name, w in w_state._asdict().items()]
            return (y * w_y).sum() + sum(parts)

        with jax.enable_x64(True):
            exact = subject.with_options(param_dtype=jnp.float64)
            exact.weights = jax.tree.map(jnp.float64, subject.weights)
            params = {"cell": arrays["cell"]}
            state = type(subject.state)(**arrays["state"] | clocks)
            args = params, arrays["x"], MASK, state, reset
            (by_params, by_x, by_state), (final, y) = exact.learn(*args)
            by_state = {name: getattr(by_state, name) for name in arrays["state"]}
            found = {"x": by_x, "state": by_state, "cell": by_params.get("cell", {})}
            slope = sum(
                jax.tree.leaves(
                    jax.tree.map(
                        lambda g, d: (np.asarray(g) * d).sum(), found, direction
                    )
                )
            )
        found, expected = (final._asdict(), y), run_reference(arrays)
        assert_close(found, expected, FLOAT64)
        numeric = directional_derivative(numpy_loss, arrays, direction)
        slopes = slope, np.float64(numeric)
        compared(reference_name, "numpy", (found, expected), slopes)
        assert_close(slope, np.float64(numeric), FINITE_DIFFERENCE)


def directional_derivative(f, arrays, direction, eps=1e-6) -> float:
    """Return the central difference of a scalar function along a direction."""
    ahead, behind = (
        f(jax.tree.map(lambda a, d: a + sign * eps * d, arrays, direction))  # noqa: B023
        for sign in (1, -1)
    )
    return (ahead - behind) / (2 * eps)


def assert_either(actual, expected, subject) -> None:
    """Compare with what stands at the end that the layer's direction comes to last."""
    direction = subject.layer.direction
    ends = [expected[direction]] if direction in expected else list(expected.values())
    assert min(error(actual, end) for end in ends) <= SCHEDULE
