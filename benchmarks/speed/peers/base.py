"""The interface of a peer, and the base of all peers on JAX."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed.cases import Case, Kind, Weights, flatten_weights


class Runner(ABC):
    """One library: builds the network of a case, and runs it repeatedly."""

    @abstractmethod
    def build(self, case: Case) -> None:
        """Build the network with the weights of a case; it replaces the previous one.

        Args:
            case: the network and the batch.
        """

    @abstractmethod
    def forward(self) -> Any:
        """Run the network and wait for its outputs."""

    @abstractmethod
    def step(self) -> Any:
        """Compute the gradients of the mean square of the outputs, and wait for them.

        The gradients are with respect to the inputs and all weights; the mean is over
        the outputs at real tokens.
        """

    @abstractmethod
    def outputs(self, result: Any) -> dict[str, np.ndarray]:
        """Return the outputs by our names.

        Args:
            result: what `forward` returned.
        """

    @abstractmethod
    def gradients(self, result: Any) -> dict[str, np.ndarray]:
        """Return the gradients under our names.

        Args:
            result: what `step` returned.
        """

    def run(self, kind: Kind) -> Any:
        """Call `forward` or `step`.

        Args:
            kind: which of them.
        """
        return self.forward() if kind == "forward" else self.step()


class JaxRunner(Runner):
    """A library on JAX: a compiled function of parameters, inputs and lengths."""

    @abstractmethod
    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return parameters and ``apply(params, x, mask, lengths) -> y``.

        Args:
            case: the network and the batch; mask and lengths are None if it is not
                ragged.
            weights: in our layout.
        """

    @abstractmethod
    def to_weights(self, d_params: Any) -> Weights:
        """Return gradients in the layout of our weights.

        Args:
            d_params: the gradients with respect to the parameters.
        """

    def build(self, case: Case) -> None:
        """Build the network and its functions, which compile at their first calls.

        Args:
            case: the network and the batch.
        """
        import jax
        import jax.numpy as jnp

        # Each case compiles again, and the previous programs are freed.
        jax.clear_caches()
        params, apply = self.make(case, case.weights())
        count = case.num_outputs()

        def loss(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            y = apply(params, x, mask, lengths)
            if mask is not None:
                # Most libraries do not return zeros at the padding.
                y = jnp.where(mask[..., None], y, 0.0)
            return (y**2).sum() / count

        padding = (case.mask(), case.lengths()) if case.ragged else (None, None)
        x = case.x().astype(jnp.dtype(case.dtype))
        self.case = case
        self.args = jax.device_put((params, x, *padding))
        step = jax.jit(jax.grad(loss, argnums=(0, 1)))
        self._calls: dict[Kind, Any] = {"forward": jax.jit(apply), "step": step}
        self.wait = jax.block_until_ready

    def launch(self, kind: Kind) -> Any:
        """Start a call and return its result without waiting for it.

        Args:
            kind: what to call.
        """
        return self._calls[kind](*self.args)

    def forward(self) -> Any:
        """Run the network and wait for its outputs."""
        return self.wait(self.launch("forward"))

    def step(self) -> Any:
        """Compute the gradients of the parameters and the inputs; wait for them."""
        return self.wait(self.launch("step"))

    def outputs(self, result: Any) -> dict[str, np.ndarray]:
        """Return the outputs by our name.

        Args:
            result: of `forward`.
        """
        return {"y": np.asarray(result, np.float32)}

    def gradients(self, result: Any) -> dict[str, np.ndarray]:
        """Return the gradients under our names.

        Args:
            result: of `step`.
        """
        d_params, d_x = result
        weights = flatten_weights(self.to_weights(d_params))
        return {"x": np.asarray(d_x, np.float32), **weights}
