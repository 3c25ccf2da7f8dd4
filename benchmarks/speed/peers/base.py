"""The contract of a peer, and what all peers on JAX share."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from benchmarks.speed.cases import Case, Kind, Weights, flat


class Runner(ABC):
    """One library: builds a case, and then does its work again and again."""

    @abstractmethod
    def build(self, case: Case) -> None:
        """Make the network with the weights of a case, in place of the last one.

        Args:
            case: what is measured.
        """

    @abstractmethod
    def forward(self) -> Any:
        """Run the network and wait for its outputs."""

    @abstractmethod
    def step(self) -> Any:
        """Return the gradients of the mean square of the outputs; wait for them.

        They are those by the inputs and by all weights; the mean is over real tokens.
        """

    @abstractmethod
    def outputs(self, found: Any) -> dict[str, np.ndarray]:
        """Return what `forward` returned under our names, to be compared.

        Args:
            found: what it returned.
        """

    @abstractmethod
    def gradients(self, found: Any) -> dict[str, np.ndarray]:
        """Return what `step` returned under our names, to be compared.

        Args:
            found: what it returned.
        """


class OnJax(Runner):
    """A library on JAX: a function of parameters, inputs and lengths, compiled."""

    @abstractmethod
    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return parameters and ``apply(params, x, mask, lengths) -> y``.

        Args:
            case: what is measured; mask and lengths are None if it is not ragged.
            weights: ours.
        """

    @abstractmethod
    def ours(self, by_params: Any) -> Weights:
        """Return the gradients of the parameters as those of our weights.

        Args:
            by_params: like the parameters.
        """

    def build(self, case: Case) -> None:
        """Make the network and the compiled functions; they are compiled when called.

        Args:
            case: what is measured.
        """
        import jax
        import jax.numpy as jnp

        # Every case shall be compiled, and the programs of the last shall be let go.
        jax.clear_caches()
        params, apply = self.make(case, case.weights())
        count = case.entries()

        def loss(params, x, mask, lengths):
            y = apply(params, x, mask, lengths)
            if mask is not None:
                # Most libraries leave something at padding.
                y = jnp.where(mask[..., None], y, 0.0)
            return (y**2).sum() / count

        given = (case.mask(), case.lengths()) if case.ragged else (None, None)
        self.case = case
        x = case.x().astype(jnp.dtype(case.dtype))
        self.args = jax.device_put((params, x, *given))
        step = jax.jit(jax.grad(loss, argnums=(0, 1)))
        self._calls: dict[Kind, Any] = {"forward": jax.jit(apply), "step": step}
        self.wait = jax.block_until_ready

    def launch(self, kind: Kind) -> Any:
        """Begin a call; return what it will give, to be waited for.

        Args:
            kind: what is called.
        """
        return self._calls[kind](*self.args)

    def forward(self) -> Any:
        """Run the network and wait for its outputs."""
        return self.wait(self.launch("forward"))

    def step(self) -> Any:
        """Return the gradients by the parameters and the inputs; wait for them."""
        return self.wait(self.launch("step"))

    def outputs(self, found: Any) -> dict[str, np.ndarray]:
        """Return the outputs under our name.

        Args:
            found: of `forward`.
        """
        return {"y": np.asarray(found, np.float32)}

    def gradients(self, found: Any) -> dict[str, np.ndarray]:
        """Return the gradients under our names.

        Args:
            found: of `step`.
        """
        by_params, by_x = found
        return {"x": np.asarray(by_x, np.float32), **flat(self.ours(by_params))}
