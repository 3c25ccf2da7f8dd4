"""The contract of layers about schedules, dtypes, gradients and reference values."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers import reference
from tests.helpers.subject import ALL, MASK, NEVER, B, Subject, rows_of
from tests.helpers.tolerances import (
    FINITE_DIFFERENCE,
    FLOAT64,
    REFERENCE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)

one_of_each_kind = pytest.mark.one_of_each_kind


class NumericalContract:
    """Each test asserts one property of the numbers of the layer ``subject``."""

    @one_of_each_kind
    def test_schedule_changes_no_result(self, subject: Subject) -> None:
        if not isinstance(subject.layer, zoo.Recurrent):
            pytest.skip("only Recurrent has a schedule")
        other = subject.with_options(
            unroll=2, remat="chunk:4", project="ahead", gradient="loop"
        )
        reset = NEVER.copy()
        reset[:, 2] = True
        args = subject.args(reset=reset)
        gradients, results = other.learn(*args)
        expected_gradients, expected = subject.learn(*args)
        assert_close(results, expected, subject.schedule)
        assert_close(gradients, expected_gradients, SCHEDULE_GRADIENT)

    @one_of_each_kind
    def test_parallel_steps_equal_the_loop(self, subject: Subject) -> None:
        if not getattr(getattr(subject.layer, "cell", None), "parallel", False):
            pytest.skip("only cells that are linear in their state run in parallel")
        reset = NEVER.copy()
        reset[:, 2] = True
        args = subject.args(reset=reset)
        loop = subject.with_options(steps="loop")
        expected_gradients, expected = loop.learn(*args)
        parallel = subject.with_options(steps="parallel")
        assert_close(parallel.run(*args), expected, subject.schedule)
        assert_close(parallel.states(*args), loop.states(*args), subject.schedule)
        chunked = subject.with_options(steps="parallel", remat="chunk:4")
        gradients, results = chunked.learn(*args)
        assert_close(results, expected, subject.schedule)
        assert_close(gradients, expected_gradients, SCHEDULE_GRADIENT)
        poisoned = np.where(MASK[..., None], subject.x, np.nan).astype(np.float32)
        dirty = chunked.learn(*subject.args(poisoned, reset=reset))
        assert_identical(dirty, (gradients, results))

    @one_of_each_kind
    def test_defaults_of_mask_state_and_reset(self, subject: Subject) -> None:
        initial = subject.apply(subject.params, B, method="init_state")
        default = jax.jit(subject.apply)(subject.params, subject.x)
        explicit = subject.run(*subject.args(mask=ALL, state=initial))
        assert_close(default, explicit, subject.schedule)

    @one_of_each_kind
    def test_vmap_over_parameter_sets(self, subject: Subject) -> None:
        if not jax.tree.leaves(subject.params):
            pytest.skip("the layer has no parameter")
        stacked = jax.tree.map(lambda p: np.stack([p, 0.5 * p]), subject.params)
        _, *rest = subject.args()
        result = jax.vmap(subject.run, in_axes=(0, None, None, None, None))(
            stacked, *rest
        )
        half = jax.tree.map(lambda p: 0.5 * p, subject.params)
        assert_close(rows_of(result, 0), subject.run(*subject.args()), subject.schedule)
        assert_close(rows_of(result, 1), subject.run(half, *rest), subject.schedule)

    def test_every_parameter_gets_a_gradient(self, subject: Subject) -> None:
        reset = NEVER.copy()  # a reset uses the learned initial state
        reset[:, 1] = True
        args = subject.args(mask=ALL, reset=reset)
        (d_params, _, d_state), _ = subject.learn(*args)
        unread = getattr(getattr(subject.layer, "cell", None), "unread", ())
        for path, g in jax.tree.leaves_with_path((d_params, d_state)):
            name = jax.tree_util.keystr(path)
            if g.shape == () and name[:3] == "[1]" or name.split(".")[-1] in unread:
                continue
            assert np.isfinite(g).all(), f"{name} has a gradient that is not finite"
            assert np.abs(g).max() > 0, f"{name} gets no gradient"

    def test_forward_mode_agrees_with_reverse_mode(self, subject: Subject) -> None:
        """The loss has the slope ``<g, v>`` along a random v, with its gradient g."""
        reset = NEVER.copy()
        reset[:, 2] = True
        params, x, mask, state, _ = args = subject.args(reset=reset)
        rng = np.random.RandomState(1)

        def draw(part: Any) -> np.ndarray:
            numbers = rng.standard_normal(part.shape)
            real = jnp.issubdtype(part.dtype, jnp.inexact)
            return numbers.astype(part.dtype if real else jax.dtypes.float0)

        direction = jax.tree.map(draw, (params, x, state))

        @jax.jit
        def slope_of(arguments: Any, direction: Any, mask: Any, reset: Any) -> Any:
            def loss(params: Any, x: Any, state: Any) -> Any:
                return subject.loss(params, x, mask, state, reset)[0]

            return jax.jvp(loss, arguments, direction)[1]

        gradients, _ = subject.learn(*args)
        terms = [
            np.asarray(g, np.float64) * v
            for g, v in zip(
                jax.tree.leaves(gradients), jax.tree.leaves(direction), strict=True
            )
            if v.dtype != jax.dtypes.float0
        ]
        slope = float(slope_of((params, x, state), direction, mask, reset))
        size = sum(abs(term).sum() for term in terms)
        assert size > 0.1
        error = abs(slope - sum(term.sum() for term in terms))
        assert error <= SCHEDULE_GRADIENT * size

    def test_bfloat16(self, subject: Subject) -> None:
        low = subject.with_options(dtype=jnp.bfloat16)
        final, y = low.run(*subject.args())
        expected = subject.run(*subject.args())
        assert y.dtype == jnp.bfloat16
        dtypes = jax.tree.map(lambda s: s.dtype, final)
        assert dtypes == jax.tree.map(lambda s: s.dtype, expected[0])
        assert_close((final, y), expected, subject.bfloat16)

    @one_of_each_kind
    def test_gradients_of_bfloat16(self, subject: Subject) -> None:
        low = subject.with_options(dtype=jnp.bfloat16)
        gradients, _ = low.learn(*subject.args())
        expected, _ = subject.learn(*subject.args())
        assert_close(gradients, expected, subject.bfloat16_gradient)

    def test_golden_values(
        self, subject: Subject, golden: dict[str, np.ndarray] | None
    ) -> None:
        """Results and gradients equal those in the file, from the same weights."""
        if golden is None:
            pytest.skip("only cells have golden values")
        params = jax.tree.map_with_path(
            lambda path, p: golden["['params']" + jax.tree_util.keystr(path)],
            subject.params,
        )
        assert_close(subject.record(params), golden, REFERENCE)

    def test_float64_against_the_reference(
        self,
        subject: Subject,
        reference_name: str | None,
        compared: Callable[..., None],
    ) -> None:
        """Outputs, states and a directional derivative equal NumPy's in float64."""
        if reference_name is None:
            pytest.skip("only cells have a reference")
        constants = nnx.state(subject.layer, zoo.Constant)
        constants = jax.tree.map(
            lambda a: np.asarray(a, np.float64) if a.dtype.kind == "f" else a,
            jax.tree.map(np.asarray, nnx.to_pure_dict(constants).get("cell", {})),
        )
        params = {"cell": subject.params.get("cell", {})}
        arrays, counts = {"x": subject.x, "state": {}, **params}, {}
        for name, part in subject.state._asdict().items():
            if jnp.issubdtype(part.dtype, jnp.inexact):
                arrays["state"][name] = part
            else:
                counts[name] = np.asarray(part)
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
                state=arrays["state"] | counts,
            )[:2]

        def numpy_loss(arrays):
            state, y = run_reference(arrays)
            parts = [(state[name] * w).sum() for name, w in w_state._asdict().items()]
            return (y * w_y).sum() + sum(parts)

        with jax.enable_x64(True):
            exact = subject.with_options(param_dtype=jnp.float64)
            exact.weights = jax.tree.map(jnp.float64, subject.weights)
            # A reservoir has no parameters, and so no dict of them.
            params = {"cell": arrays["cell"]} if subject.params else {}
            state = type(subject.state)(**arrays["state"] | counts)
            args = params, arrays["x"], MASK, state, reset
            (d_params, d_x, d_state), (final, y) = exact.learn(*args)
            d_state = {name: getattr(d_state, name) for name in arrays["state"]}
            gradients = {"x": d_x, "state": d_state, "cell": d_params.get("cell", {})}
            slope = sum(
                jax.tree.leaves(
                    jax.tree.map(
                        lambda g, d: (np.asarray(g) * d).sum(), gradients, direction
                    )
                )
            )
        results, expected = (final._asdict(), y), run_reference(arrays)
        assert_close(results, expected, FLOAT64)
        numeric = directional_derivative(numpy_loss, arrays, direction)
        slopes = slope, np.float64(numeric)
        compared(reference_name, "numpy", (results, expected), slopes)
        assert_close(slope, np.float64(numeric), FINITE_DIFFERENCE)


def directional_derivative(
    f: Callable[[Any], Any], arrays: Any, direction: Any, eps: float = 1e-6
) -> float:
    """Return the central difference of a scalar function along a direction."""
    above, below = (
        f(jax.tree.map(lambda a, d: a + sign * eps * d, arrays, direction))  # noqa: B023
        for sign in (1, -1)
    )
    return (above - below) / (2 * eps)
