"""One cell over time."""

from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import regularizers
from zoo.cells.base import Cell
from zoo.engine import native
from zoo.engine.loop import CellFunctions
from zoo.engine.platform import platform
from zoo.engine.scan import Schedule, scan
from zoo.layers.base import Layer
from zoo.layers.explain import note
from zoo.layers.noise import LoopParams, Noise, Rates
from zoo.types import Array, State, floating


class Recurrent(Layer):
    """One cell, run over time by ``jax.lax.scan``."""

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
        unroll: int | Literal["auto"] = "auto",
        remat: str = "none",
        project: Literal["auto", "ahead", "loop"] = "auto",
        gradient: Literal["after", "loop"] = "after",
        steps: Literal["auto", "loop", "parallel"] = "auto",
        backend: Literal["auto", "scan", "native"] = "auto",
    ):
        """Put a cell into the loop.

        Args:
            cell: what one step does.
            reverse: run from the last token to the first; y stays in reading order.
            learn_initial_state: make the initial state a parameter that begins at zero.
            recurrent_dropout: rate of dropout on the h that the recurrent products see,
                one mask a sequence; the h that is carried stays whole. Gal and
                Ghahramani 2015, arXiv:1512.05287.
            candidate_dropout: rate of dropout on the candidate that is written into the
                state, drawn at each step: "recurrent dropout without memory loss". For
                the cells of the LSTM, GRU and MGU families. Semeniuta et al. 2016,
                arXiv:1603.05118.
            zoneout: rate at which units keep their old state; or a rate for each part
                of the state, ``{"h": 0.05, "c": 0.5}``. Krueger et al. 2016,
                arXiv:1606.01305.
            weight_drop: rate of dropout on the recurrent matrices, one mask a call.
                Merity et al. 2017, arXiv:1708.02182.
            unroll: steps per iteration of the loop, see `zoo.engine.scan.Schedule`.
            remat: what the backward pass recomputes instead of storing it: ``"none"``,
                ``"step"`` or ``"chunk:n"``.
            project: where the input projection runs.
            gradient: where the gradients of the matrices are formed.
            steps: one after the other, or those of a linear cell all at once, as told
                there.
            backend: ``jax.lax.scan``, or a kernel that runs all steps, as told there;
                `zoo.explain` tells which, and why.

        Raises:
            ValueError: if an argument is out of its range, or the cell has not got what
                a regulariser or a kernel needs.
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
        cell_name = type(cell).__name__
        if steps == "parallel" and not cell.parallel:
            raise ValueError(
                f'steps="parallel" is for linear cells, which {cell_name} is not'
            )
        if steps == "parallel" and self.rates.zoneout:
            raise ValueError(
                'zoneout acts on one state after the other: steps must be "loop" or '
                '"auto", got "parallel"'
            )
        if backend == "native" and cell.kernel() is None:
            raise ValueError(f'backend="native": there is no kernel of {cell_name}')
        if learn_initial_state:
            state = jax.eval_shape(lambda: cell.init_state(1))
            self.initial = nnx.Dict(
                {
                    name: nnx.Param(jnp.zeros(part.shape[1:], cell.param_dtype))
                    for name, part in floating(state).items()
                    if name not in cell.unread
                }
            )
        else:
            self.initial = None

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
    def parallelizable(self) -> bool:
        """Whether all steps can be taken at once."""
        # Zoneout acts on one state after the other, at evaluation too.
        return self.cell.parallel and not self.rates.zoneout

    def prefers_parallel(self, B: int, T: int, gradient: bool) -> bool:
        """Return whether they are, unless there is noise.

        Args:
            B: rows.
            T: steps.
            gradient: whether the call is differentiated.
        """
        steps = self.schedule.steps
        if not self.parallelizable or steps == "loop":
            return False
        if steps == "parallel":
            return True
        wanted = self.cell.prefers_parallel(
            B, T, gradient=gradient, recompute=self.schedule.chunk == 1
        )
        return wanted and self.schedule.gradient == "after"

    def _run(self, x, mask, state, reset, key, states):
        functions, params = self._functions()
        B, T = x.shape[:2]
        params, noise = self.rates.draw(self.cell, key, params, B, T)
        obstacle = self._obstacle(x, params, noise, states)
        if obstacle is not None:
            functions = functions._replace(native=None)
        note(self, B=B, T=T, obstacle=obstacle)
        return scan(
            functions,
            params,
            x,
            state,
            mask=mask,
            reset=reset,
            initial=None if reset is None else self.init_state(B),
            noise=noise,
            reverse=self.reverse,
            states=states,
            schedule=self.schedule,
        )

    def _obstacle(
        self, x: Array, params: LoopParams, noise: Noise, states: bool
    ) -> str | None:
        """Return why no kernel runs a call, None if one does.

        Raises:
            ValueError: if one was asked for.
        """
        cell, schedule = self.cell, self.schedule
        known = {jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16)}
        gpu = platform() == "gpu"
        obstacle = None
        if schedule.backend == "scan":
            return "as asked"
        if cell.kernel() is None:
            obstacle = f"there is no kernel of {type(cell).__name__}"
        elif not {cell.dtype, cell.param_dtype} <= known:
            obstacle = "the kernels are of float32 and bfloat16"
        elif self.rates.zoneout or params.dropped is not None or noise.keep is not None:
            obstacle = "a regulariser acts on every step"
        elif states:
            obstacle = "the states of all steps are asked for"
        elif schedule.gradient != "after":
            obstacle = 'gradient="loop" is asked for'
        elif gpu and cell.dtype == jnp.float32 and not native.tf32():
            obstacle = "on a GPU the kernels multiply TF32"
        else:
            kernel = cell.kernel(), cell.dtype, cell.hidden_size
            obstacle = native.missing(platform(), *kernel)
        if obstacle is None and schedule.backend == "auto":
            B, T = x.shape[:2]
            if schedule.chunk > 1:
                T = min(T, schedule.chunk)  # of one call
            if T < 4 or (B * T < 16 and not gpu):
                # By measurements with 64 to 512 units.
                obstacle = "for so few tokens it would not pay to pack the matrices"
        if obstacle is not None and schedule.backend == "native":
            raise ValueError(f'backend="native": {obstacle}')
        return obstacle

    def _step(self, state, x_t):
        functions, params = self._functions()
        p = functions.project(params, x_t)
        q = None if functions.recur is None else functions.recur(params, state)
        state = functions.update(params, state, p, q, Noise())
        return state, functions.output(params, state, p)

    def _functions(self) -> tuple[CellFunctions, LoopParams]:
        """Return the cell and its regularisers as functions, and the parameters."""
        graph, variables = nnx.split(self.cell)

        def project(params, x):
            return nnx.merge(graph, params.cell).project(x)

        # A cell with a product between its gates overrides advance, and all of it is
        # the update.
        whole = type(self.cell).advance is not Cell.advance

        def seen(params, state):
            if params.dropped is None:
                return state
            return state._replace(h=state.h * params.dropped)

        def recur(params, state):
            return nnx.merge(graph, params.cell).recur(seen(params, state))

        def update(params, state, p, q, noise):
            cell = nnx.merge(graph, params.cell)
            options = {} if noise.keep is None else {"keep": noise.keep}
            if whole:
                new = cell.advance(state, p, seen=seen(params, state), **options)
            else:
                new = cell.update(state, p, q, **options)
            for name, rate in self.rates.zoneout:
                hold = None if noise.hold is None else noise.hold[name]
                mixed = regularizers.zoneout(
                    hold, getattr(state, name), getattr(new, name), rate
                )
                new = new._replace(**{name: mixed})
            return new

        def output(params, state, p):
            y = nnx.merge(graph, params.cell).output(state, p)
            return y.astype(self.cell.dtype)

        def parallel(params, p, state, initial, span):
            cell = nnx.merge(graph, params.cell)
            last, y, states = cell.run_parallel(p, state, initial, span)
            return last, y.astype(cell.dtype), states

        def weights(params):
            own, float32 = params.cell, jnp.float32
            W, U = own["W"], own["U"]
            biases = [own[name] for name in ("b", "b_hn") if name in own]
            b = jnp.concatenate([*biases, jnp.zeros(0, W.dtype)])
            b = jnp.pad(b, (0, native.bias_blocks(str(kernel)) * len(U) - len(b)))
            # Parameters may have been given in another precision than they were made.
            return W.astype(float32), U.astype(float32), b.astype(float32)

        kernel = self.cell.kernel()
        params = LoopParams(nnx.to_pure_dict(variables))
        return CellFunctions(
            project,
            None if whole else recur,
            update,
            output,
            additive=self.cell.additive and not whole,
            recompute=self.cell.recompute,
            parallel=parallel if self.parallelizable else None,
            prefers=self.prefers_parallel,
            native=None
            if kernel is None
            else native.Kernel(kernel, weights, self.cell.dtype),
        ), params
