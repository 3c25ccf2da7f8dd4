"""The base of all pipelines: a model with its preprocessing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from zoo.cells import Cell
from zoo.functional import functional
from zoo.pipelines.options import cells_of, check_types, is_own
from zoo.registry import cell_name
from zoo.text import pad


class Pipeline:
    """A model, its parameters and its preprocessing.

    Attributes:
        kind: ``"classifier"``, ``"tagger"``, ``"language_model"``, ``"seq2seq"``
            or ``"reader"``.
        options: arguments of the model's constructor, with the names of cells instead
            of their classes.
        model: the module; with the trained parameters after `zoo.load`.
        params: the parameters in use, at first those of `model`; assign trained ones.
    """

    kind: ClassVar[str]
    model_class: ClassVar[Callable[..., nnx.Module]]

    def __init__(self, options: dict[str, Any], *, seed: int | None = 0) -> None:
        """Build the model.

        Args:
            options: arguments of the model's constructor, without ``rngs``.
            seed: of the initialisation. None is for parameters that are set later:
                only their shapes are computed, nothing is allocated. A model with a
                cell of your own is initialised nevertheless, because the constructor of
                the cell may depend on the values.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range.
        """
        check_types(type(self).model_class, options)
        self.options: dict[str, Any] = {
            name: cell_name(value) if _is_cell(value) else value
            for name, value in options.items()
        }

        def build() -> nnx.Module:
            return type(self).model_class(**options, rngs=nnx.Rngs(seed or 0))

        needs_values = seed is not None or any(map(is_own, cells_of(options)))
        self.model = build() if needs_values else nnx.eval_shape(build)
        self.bind()

    def bind(self) -> None:
        """Read parameters and constants from `model`, after a change of them."""
        self.params, self.apply = functional(self.model)

        def infer(params: Any, batch: Any, options: tuple) -> Any:
            return self.apply(params, batch, method=self._infer, **dict(options))

        self._jitted = jax.jit(infer, static_argnums=2)

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        raise NotImplementedError(f"{type(self).__name__} must define to_json")

    @classmethod
    def from_json(cls, saved: Any) -> "Pipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.

        Raises:
            ImportError: if it needs a library that is not installed.
            TypeError: if a part has another type.
            ValueError: if a part is missing, unknown or out of its range, or does not
                match another.
        """
        raise NotImplementedError(f"{cls.__name__} must define from_json")

    def _infer(self, model: Any, batch: dict[str, Any]) -> Any:
        """Compute the results of a batch, under jit."""
        raise NotImplementedError(f"{type(self).__name__} must define _infer")

    def _run(
        self, rows: Sequence[dict[str, np.ndarray]], batch_size: int, **options: Any
    ) -> Iterator[tuple[int, Any]]:
        """Yield the index of each row and its results, shortest rows first."""
        lengths = [len(next(iter(row.values()))) for row in rows]
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        static_options = tuple(sorted(options.items()))
        for start in range(0, len(order), batch_size):
            indices = order[start : start + batch_size]
            length = self._length(lengths[indices[-1]])
            batch = pad([rows[k] for k in indices], length, batch_size)
            results = jax.device_get(self._jitted(self.params, batch, static_options))
            for b, k in enumerate(indices):
                yield k, jax.tree.map(lambda a, b=b: a[b], results)

    def _length(self, longest: int) -> int:
        """Return T of a batch: one of few values, so that few programs compile."""
        step = 8 if longest <= 64 else 64
        return max(step, -(-longest // step) * step)


def _is_cell(value: Any) -> bool:
    """Return whether an option is the class of a cell."""
    return isinstance(value, type) and issubclass(value, Cell)


def check_size(options: dict[str, Any], name: str, size: int, of: str) -> None:
    """Check that an option is the size of a vocabulary.

    Args:
        options: of a model.
        name: of the option.
        size: of the vocabulary.
        of: what it lists, for the message.

    Raises:
        ValueError: if it is not.
    """
    if options.get(name) != size:
        raise ValueError(
            f"{name} must be {size}, the number of {of}, got {options.get(name)!r}"
        )


def several(texts: Any, name: str) -> Sequence[Any]:
    """Return `texts` if it is a list: a string would be read as a list of letters.

    Args:
        texts: the argument.
        name: its name, for the message.

    Raises:
        TypeError: if it is a string.
    """
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of texts, got one text: {texts[:40]!r}")
    return texts
