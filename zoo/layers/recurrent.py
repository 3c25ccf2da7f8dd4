"""One cell over time."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell
from zoo.cells.linear import LinearCell
from zoo.engine.loop import CellFunctions
from zoo.engine.plan import Plan, make_plan
from zoo.engine.scan import scan
from zoo.engine.schedule import (
    BackendOption,
    GradientOption,
    ProjectOption,
    Schedule,
    StepsOption,
    UnrollOption,
)
from zoo.engine.traits import Traits, Work, current_device
from zoo.layers.base import Layer
from zoo.layers.noise import LoopParams, Noise, Rates
from zoo.layers.pure_cell import PureCell, overrides_advance
from zoo.layers.recording import record
from zoo.types import Array, Key, State, floating


class Recurrent(Layer):
    """One cell over time: by a loop, by a kernel, or all steps in parallel."""

    def __init__(
        self,
        cell: Cell,
        *,
        reverse: bool = False,
        learn_initial_state: bool = False,
        recurrent_dropout: float = 0.0,
        candidate_dropout: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        weight_drop: float = 0.0,
        rngs: nnx.Rngs | None = None,
        unroll: UnrollOption = "auto",
        remat: str = "none",
        project: ProjectOption = "auto",
        gradient: GradientOption = "after",
        steps: StepsOption = "auto",
        backend: BackendOption = "auto",
    ):
        """Run a cell over time.

        The last six options are those of `zoo.engine.schedule.Schedule`: they change
        how the loop runs and not what it computes. `zoo.explain` prints what ``"auto"``
        chooses, and why.

        Args:
            cell: computes one step.
            reverse: run from the last token to the first; y stays in reading order.
            learn_initial_state: make the initial state a parameter, initialised to
                zero.
            recurrent_dropout: rate of dropout on the h that the recurrent products
                read, one mask per sequence; the carried h is not dropped. Gal and
                Ghahramani 2015, arXiv:1512.05287.
            candidate_dropout: rate of dropout on the candidate that is written into the
                state, drawn at each step: "recurrent dropout without memory loss". For
                the cells of the LSTM, GRU and MGU families. Semeniuta et al. 2016,
                arXiv:1603.05118.
            zoneout: rate at which units keep their old state; or a rate for each part
                of the state, ``{"h": 0.05, "c": 0.5}``. Krueger et al. 2016,
                arXiv:1606.01305.
            weight_drop: rate of dropout on the recurrent matrices, one mask per call.
                Merity et al. 2017, arXiv:1708.02182.
            rngs: calls without `key` draw from its stream ``dropout``, if it has one,
                see `zoo.stochastic.Stochastic`.
            unroll: steps per iteration of the loop.
            remat: what the backward pass recomputes instead of storing: ``"none"``,
                ``"step"`` or ``"chunk:n"``.
            project: where the inputs are projected.
            gradient: where the gradients of matrices are computed.
            steps: one after the other, or in parallel for linear cells.
            backend: ``jax.lax.scan``, or a kernel that runs all steps.

        Raises:
            ValueError: if an argument is out of its range, or the cell lacks what a
                regulariser or a kernel needs.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        self.cell = cell
        self.reverse = reverse
        self.schedule = Schedule(
            unroll, remat, project, gradient, steps, backend
        ).check()
        self.rates = Rates.of(
            cell,
            recurrent_dropout=recurrent_dropout,
            candidate_dropout=candidate_dropout,
            zoneout=zoneout,
            weight_drop=weight_drop,
        )
        self._check_support(self.schedule)
        self.initial = _initial_state(cell) if learn_initial_state else None
        self._fork_stream(rngs)

    def _check_support(self, schedule: Schedule) -> None:
        """Check that the cell has what a schedule asks for."""
        name = type(self.cell).__name__
        if schedule.steps == "parallel" and not self.cell.parallel:
            was_linear = type(self.cell).run_parallel is not Cell.run_parallel
            hint = "; a class with a step of its own also needs a run_parallel"
            raise ValueError(
                f'steps="parallel" is for linear cells, which {name} is not'
                f"{hint if was_linear else ''}"
            )
        if schedule.steps == "parallel" and self.rates.zoneout:
            raise ValueError(
                'zoneout acts on one state after the other: steps must be "loop" or '
                '"auto", got "parallel"'
            )
        if schedule.backend == "native" and self.cell.kernel() is None:
            raise ValueError(f'backend="native": there is no kernel for {name}')

    @property
    def is_noisy(self) -> bool:
        """Whether a regulariser has a rate above zero."""
        return any(self.rates)

    @property
    def direction(self) -> str:
        """``"forward"`` or ``"reverse"``."""
        return "reverse" if self.reverse else "forward"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(D,), with axes of space before it if the cell has any."""
        return self.cell.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(H,), with axes of space before it if the cell has any."""
        return self.cell.output_shape

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step.

        Args:
            batch_size: B.
        """
        state = self.cell.init_state(batch_size)
        if self.initial is None:
            return state
        learnt = {
            name: jnp.broadcast_to(param[...].astype(part.dtype), part.shape)
            for name, param in self.initial.items()
            for part in [getattr(state, name)]
        }
        return state._replace(**learnt)

    @property
    def traits(self) -> Traits:
        """What a plan depends on."""
        cell = self.cell
        return Traits(
            name=type(cell).__name__,
            linear=cell.parallel,
            prefers_parallel=cell.prefers_parallel,
            parallel_states=cell.parallel_states,
            linear_dtype=cell.state_dtype if isinstance(cell, LinearCell) else None,
            zoneout=bool(self.rates.zoneout),
            separable=not overrides_advance(type(cell)),
            recompute=cell.recompute,
            kernel=cell.kernel(),
            hidden_size=cell.hidden_size,
            dtype=cell.dtype,
            param_dtype=cell.param_dtype,
        )

    def plan(
        self, x: Array, noise: Noise, params: LoopParams, *, states: bool, joint: bool
    ) -> Plan:
        """Return the plan of a call.

        Args:
            x: inputs ``[B, T, ...]``.
            noise: what is drawn for each step.
            params: of the loop.
            states: whether the states of all steps are asked for.
            joint: whether both directions share the loop.

        Raises:
            ValueError: if ``backend="native"`` is asked for and no kernel can run it.
        """
        regularised = params.dropped is not None or bool(jax.tree.leaves(noise))
        B, T = x.shape[:2]
        work = Work(B, T, states, regularised, joint)
        return make_plan(self.traits, self.schedule, work, current_device())

    def pure(self) -> tuple[CellFunctions, LoopParams]:
        """Return the cell and its regularisers as functions, and the parameters."""
        pure, params = PureCell.split(self.cell, self.rates.zoneout)
        return pure.functions(), params

    def _run(
        self,
        x: Array,
        mask: Array | None,
        state: State,
        reset: Array | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        functions, params = self.pure()
        B, T = x.shape[:2]
        params, noise = self.rates.draw(self.cell, key, params, B, T)
        plan = self.plan(x, noise, params, states=states, joint=False)
        record(plan, self)
        return scan(
            functions,
            params,
            x,
            state,
            plan=plan,
            mask=mask,
            reset=reset,
            initial=None if reset is None else self.init_state(B),
            noise=noise,
            reverse=self.reverse,
            states=states,
        )

    def _step(self, state: State, x_t: Array) -> tuple[State, Array]:
        functions, params = self.pure()
        p = functions.project(params, x_t)
        q = None if functions.recur is None else functions.recur(params, state)
        state = functions.update(params, state, p, q, Noise())
        return state, functions.output(params, state, p)


def set_backend(model: nnx.Module, backend: BackendOption) -> None:
    """Choose the backend of all recurrent layers in a model.

    Args:
        model: any layer or model, which is changed; after an error it is not.
        backend: as for `Recurrent`.

    Raises:
        ValueError: if `backend` is unknown, or ``"native"`` and there is no kernel for
            a cell.
    """
    modules = [module for _, module in nnx.iter_modules(model)]
    layers = [module for module in modules if isinstance(module, Recurrent)]
    schedules = [layer.schedule._replace(backend=backend).check() for layer in layers]
    for layer, schedule in zip(layers, schedules, strict=True):
        layer._check_support(schedule)
    for layer, schedule in zip(layers, schedules, strict=True):
        layer.schedule = schedule


def _initial_state(cell: Cell) -> nnx.Dict:
    """Return a parameter, initialised to zero, for each part that a step reads."""
    state = jax.eval_shape(lambda: cell.init_state(1))
    return nnx.Dict(
        {
            name: nnx.Param(jnp.zeros(part.shape[1:], cell.param_dtype))
            for name, part in floating(state).items()
            if name not in cell.unread
        }
    )
