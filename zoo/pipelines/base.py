"""What all trained models share that a person uses: text in, results out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from zoo.functional import functional
from zoo.text import pad


class Pipeline:
    """A model, its parameters, and what turns text into its inputs.

    Attributes:
        kind: ``"classifier"``, ``"tagger"``, ``"language_model"``, ``"seq2seq"``
            or ``"reader"``.
        options: arguments of the model's constructor.
        model: the module; its parameters are those it was built with.
        params: the parameters used, to be replaced by trained ones.
    """

    kind: ClassVar[str]
    model_class: ClassVar[Callable[..., nnx.Module]]

    def __init__(self, options: dict[str, Any], *, seed: int = 0) -> None:
        """Build the model.

        Args:
            options: arguments of the model's constructor, without ``rngs``.
            seed: of its initialisation.
        """
        self.options = dict(options)
        self.model = type(self).model_class(**options, rngs=nnx.Rngs(seed))
        self.bind()

    def bind(self) -> None:
        """Take parameters and constants from `model`, after these were changed."""
        self.params, self.apply = functional(self.model)

        def infer(params, batch, options):
            return self.apply(params, batch, method=self._infer, **dict(options))

        self._jitted = jax.jit(infer, static_argnums=2)

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        raise NotImplementedError(f"{type(self).__name__} must define to_json")

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Pipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        raise NotImplementedError(f"{cls.__name__} must define from_json")

    def _infer(self, model: Any, batch: dict[str, Any]) -> Any:
        """Return what a batch gives; compiled once a shape and set of options."""
        raise NotImplementedError(f"{type(self).__name__} must define _infer")

    def _run(
        self, rows: Sequence[dict[str, np.ndarray]], batch_size: int, **options: Any
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of each row and its results, in the order computed."""
        lengths = [len(next(iter(row.values()))) for row in rows]
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        chosen_options = tuple(sorted(options.items()))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = pad(
                [rows[k] for k in chosen], self._length(lengths[chosen[-1]]), batch_size
            )
            found = jax.device_get(self._jitted(self.params, batch, chosen_options))
            for b, k in enumerate(chosen):
                yield k, jax.tree.map(lambda a, b=b: a[b], found)

    def _length(self, longest: int) -> int:
        """Return T for a batch: few values, so that few shapes are compiled."""
        step = 8 if longest <= 64 else 64
        return max(step, -(-longest // step) * step)


def several(texts: Any, name: str) -> Sequence[Any]:
    """Return `texts` if it is a list: a bare string would be read as its letters.

    Args:
        texts: what the user gave.
        name: of the argument, for the message.

    Raises:
        TypeError: if it is a string.
    """
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of texts, got one text: {texts[:40]!r}")
    return texts
