"""The options of the time loop."""

from typing import Literal, NamedTuple

from zoo import checks

UnrollOption = int | Literal["auto"]
ProjectOption = Literal["auto", "ahead", "loop"]
GradientOption = Literal["after", "loop"]
StepsOption = Literal["auto", "loop", "parallel"]
BackendOption = Literal["auto", "scan", "native"]
LoopsOption = Literal["auto", "one", "two"]


class Schedule(NamedTuple):
    """How the loop runs. No option changes a result beyond rounding.

    ``"auto"`` means: what measures faster on the device. `zoo.engine.plan` resolves it,
    and `zoo.explain` prints the result.

    Attributes:
        unroll: steps per iteration of the loop: a longer compilation for less overhead.
        remat: what the backward pass recomputes instead of storing: ``"none"``,
            ``"step"`` (stores only the states), or ``"chunk:n"`` (stores every n-th
            state; n near sqrt(T) needs the least memory).
        project: where the inputs are projected: ``"ahead"`` of the loop, in one large
            product, or inside the ``"loop"``.
        gradient: where the gradients of matrices are computed: ``"after"`` the loop, in
            one product over all steps, or step by step in the ``"loop"`` by JAX itself,
            which is slower. A cell with a product between its gates always uses the
            latter. Forward mode (`jax.jvp`) works with both; if the outputs are needed
            besides their tangents, ``"after"`` computes the states twice.
        steps: ``"loop"`` computes one step after the other, ``"parallel"`` all steps of
            a cell that is linear in its state: vector states by a parallel scan
            (`zoo.engine.linear_scan`), matrix states in chunks
            (`zoo.engine.matrix_chunks`). ``layer.states`` of a matrix cell always uses
            the loop. On a CPU ``"auto"`` may choose the loop for a call without
            gradient and the parallel form for one with it; with ``gradient="loop"`` it
            chooses the loop.
        backend: ``"scan"`` for ``jax.lax.scan``; ``"native"`` for one call of a kernel
            (`zoo.engine.native`), or an error where no kernel can run the call;
            ``"auto"`` for a kernel where one can. Forward mode and second derivatives
            of a kernel are computed by the scan. A kernel belongs to one machine: under
            ``jax.export``, symbolic sizes always run the scan, and a model with fixed
            sizes needs ``"scan"``, or JAX refuses to export it.
    """

    unroll: UnrollOption = "auto"
    remat: str = "none"
    project: ProjectOption = "auto"
    gradient: GradientOption = "after"
    steps: StepsOption = "auto"
    backend: BackendOption = "auto"

    def check(self) -> "Schedule":
        """Return self if every field is valid.

        Raises:
            ValueError: naming the field that is not, or fields that exclude each
                other.
        """
        if self.unroll != "auto":
            checks.positive("unroll", self.unroll)
        checks.one_of("project", self.project, ("auto", "ahead", "loop"))
        checks.one_of("gradient", self.gradient, ("after", "loop"))
        checks.one_of("steps", self.steps, ("auto", "loop", "parallel"))
        checks.one_of("backend", self.backend, ("auto", "scan", "native"))
        if (self.gradient, self.steps) == ("loop", "parallel"):
            raise ValueError(
                'gradient="loop" needs steps="loop" or "auto", got steps="parallel"'
            )
        _ = self.chunk  # raises if `remat` is invalid
        return self

    @property
    def chunk(self) -> int:
        """Steps between stored states: 0 for "none", 1 for "step", n for "chunk:n".

        Raises:
            ValueError: if `remat` is none of these.
        """
        if self.remat in ("none", "step"):
            return int(self.remat == "step")
        kind, _, n = str(self.remat).partition(":")
        if kind != "chunk" or not n.isdecimal() or int(n) < 1:
            raise ValueError(
                'remat must be "none", "step" or "chunk:n" with n of 1 or more, '
                f"got {self.remat!r}"
            )
        return int(n)
