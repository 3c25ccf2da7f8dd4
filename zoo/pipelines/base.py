"""The base of all pipelines: a model with its preprocessing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell
from zoo.engine.platform import compile_threads
from zoo.functional import functional
from zoo.pipelines.chunks import batches, read_in_chunks
from zoo.pipelines.options import cells_of, check_types, context_models, is_own
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
        stored_dtypes: dtypes in which `zoo.save` writes parameters, by path, such as
            ``{"embedding/table": "float16"}``; it writes others as they are.
        longest: length in tokens of the longest row that is read in one piece.
        reads_chunks: whether longer ones are read in chunks of that length, with the
            same results up to rounding.
    """

    kind: ClassVar[str]
    longest: ClassVar[int] = 1024
    reads_chunks: bool = False
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
        self.stored_dtypes: dict[str, str] = {}
        self.options: dict[str, Any] = _with_names(options)
        if context := context_models(options):
            self.options["context"] = [_with_names(model) for model in context]

        def build() -> nnx.Module:
            return type(self).model_class(**options, rngs=nnx.Rngs(seed or 0))

        needs_values = seed is not None or any(map(is_own, cells_of(options)))
        self.model = build() if needs_values else _shapes_only(build)
        self.bind()

    def bind(self) -> None:
        """Read parameters and constants from `model`, after a change of them."""
        self.params, self.apply = functional(self.model)

        def infer(params: Any, batch: Any, options: tuple) -> Any:
            return self.apply(params, batch, method=self._infer, **dict(options))

        def read(params: Any, batch: Any, state: Any) -> Any:
            return self.apply(params, batch, state, method=self._read)

        def answer(params: Any, parts: Any, mask: Any) -> Any:
            return self.apply(params, parts, mask, method=self._answer)

        self._jitted = jax.jit(infer, static_argnums=2)
        self._jitted_read = jax.jit(read)
        self._jitted_answer = jax.jit(answer)

    def warmup(
        self, longest: int = 64, *, shortest: int = 1, batch_size: int = 32
    ) -> None:
        """Compile the programs of `predict` ahead, so that no call waits for them.

        ::

            tagger = zoo.load("runs/pos")
            tagger.warmup()                         # for texts of up to 64 tokens
            tagger.predict(["Oslo is cold."])       # compiles nothing

        The program of a batch depends on `batch_size` and on the length to which its
        texts are padded, see `padded_lengths`: by default 8 programs are compiled, in
        parallel threads; up to 1,024 tokens, 23. A persistent compilation cache of JAX
        keeps them for the next process.

        Args:
            longest: the largest number of tokens of a text.
            shortest: the smallest number of tokens of a text.
            batch_size: as for `predict`.

        Raises:
            ValueError: if an argument is not positive, or `shortest` is above
                `longest`.
        """
        self._warm_up(longest, shortest, batch_size)

    def padded_lengths(self, longest: int, *, shortest: int = 1) -> list[int]:
        """Return the lengths to which texts are padded, in tokens, ascending.

        They are the multiples of 8 up to 64 tokens and those of 64 up to 1,024, and
        beyond 2,048, 4,096 and so on. A classifier that reads a fixed number of tokens
        has one length.

        Args:
            longest: the largest number of tokens of a text.
            shortest: the smallest number of tokens of a text.

        Raises:
            ValueError: as for `warmup`.
        """
        checks.positive("shortest", shortest)
        if checks.positive("longest", longest) < shortest:
            raise ValueError(
                f"longest must be at least shortest = {shortest}, got {longest}"
            )
        return sorted({self._padded_length(n) for n in range(shortest, longest + 1)})

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

    def _read(self, model: Any, batch: dict[str, Any], state: Any) -> Any:
        """Compute the state after a chunk of long rows, and a part of their results."""
        raise NotImplementedError(f"{type(self).__name__} must define _read")

    def _answer(self, model: Any, parts: Any, mask: Any) -> Any:
        """Compute the results of long rows from ``[B, C, ...]``, as `_infer`."""
        raise NotImplementedError(f"{type(self).__name__} must define _answer")

    def _example(self) -> dict[str, np.ndarray]:
        """Return the inputs of some text."""
        raise NotImplementedError(f"{type(self).__name__} must define _example")

    def _warm_up(
        self, longest: int, shortest: int, batch_size: int, **options: Any
    ) -> None:
        """Compile the programs of `_run` with these options."""
        lengths = self.padded_lengths(longest, shortest=shortest)
        checks.positive("batch_size", batch_size)
        static_options = tuple(sorted(options.items()))
        example = self._example()
        pool, compilations = ThreadPoolExecutor(compile_threads()), []
        try:
            for length in lengths:
                row = {
                    name: np.zeros((length, *array.shape[1:]), array.dtype)
                    for name, array in example.items()
                }
                if self._is_read_in_chunks(length):
                    list(self._run([row], batch_size, **options))
                    continue
                ((_, T, B),) = self._batches([length], batch_size)
                # Traced in this thread, which may have its own configuration of JAX.
                lowered = self._jitted.lower(
                    self.params, pad([row], T, B), static_options
                )
                compilations.append(pool.submit(lowered.compile))
            for compilation in compilations:
                compilation.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(
        self, rows: Sequence[dict[str, np.ndarray]], batch_size: int, **options: Any
    ) -> Iterator[tuple[int, Any]]:
        """Yield the index of each row and its results, shortest rows first."""
        checks.positive("batch_size", batch_size)
        lengths = [len(next(iter(row.values()))) for row in rows]
        static_options = tuple(sorted(options.items()))
        for indices, length, size in self._batches(lengths, batch_size):
            batch = pad([rows[k] for k in indices], length, size)
            if self._is_read_in_chunks(length):
                results = self._run_in_chunks(batch)
            else:
                results = self._jitted(self.params, batch, static_options)
            results = jax.device_get(results)
            for b, k in enumerate(indices):
                yield k, jax.tree.map(lambda a, b=b: a[b], results)

    def _is_read_in_chunks(self, length: int) -> bool:
        """Return whether a batch of rows of this length is read in chunks."""
        return self.reads_chunks and length > self.longest

    def _run_in_chunks(self, batch: dict[str, np.ndarray]) -> Any:
        """Return the results of a batch whose T is a multiple of `longest`."""
        B = len(batch["mask"])
        state = self.apply(self.params, B, method=lambda m, n: m.layers.init_state(n))

        def read(chunk: dict[str, np.ndarray], state: Any) -> Any:
            return self._jitted_read(self.params, chunk, state)

        parts = read_in_chunks(read, batch, state, self.longest)
        mask = batch["mask"].reshape(B, -1, self.longest)
        return self._jitted_answer(self.params, parts, mask)

    def _batches(
        self, lengths: Sequence[int], batch_size: int
    ) -> Iterator[tuple[list[int], int, int]]:
        """Yield the indices of the rows of a batch, T and B, shortest rows first.

        A batch of rows longer than `longest` has as many tokens as one of that length.
        """
        for some, size in batches(lengths, batch_size, self._factor):
            yield some, self._padded_length(lengths[some[-1]]), size

    def _padded_length(self, length: int) -> int:
        """Return T of a batch whose longest row has some length."""
        factor = self._factor(length)
        return self._length(length) if factor == 1 else factor * self.longest

    def _factor(self, length: int) -> int:
        """Return T of a row in units of `longest`: a power of two."""
        return 1 << ((max(length, 1) - 1) // self.longest).bit_length()

    def _length(self, longest: int) -> int:
        """Return T of a batch: one of few values, so that few programs compile."""
        step = 8 if longest <= 64 else 64
        return max(step, -(-longest // step) * step)


def _shapes_only(build: Callable[[], nnx.Module]) -> nnx.Module:
    """Return a module with shapes for arrays.

    Its attributes have the order of the constructor, which is that of `zoo.summary`;
    `nnx.eval_shape` sorts them by name.

    Args:
        build: returns the module.
    """
    names: dict[Any, list[str]] = {}

    def build_and_record() -> nnx.Module:
        module = build()
        for path, part in nnx.iter_modules(module):
            names[path] = list(vars(part))
        return module

    module = nnx.eval_shape(build_and_record)
    for path, part in nnx.iter_modules(module):
        attributes = vars(part)
        for name in names.get(path, ()):  # of a shared part, another path
            if name in attributes:
                attributes[name] = attributes.pop(name)
    return module


def _with_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the names of cells instead of their classes."""
    return {
        name: cell_name(value) if _is_cell(value) else value
        for name, value in options.items()
    }


def _is_cell(value: Any) -> bool:
    """Return whether an option is the class of a cell."""
    return isinstance(value, type) and issubclass(value, Cell)


def check_size(options: Mapping[str, Any], name: str, size: int, of: str) -> None:
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


def several(items: Any, name: str) -> list[Any]:
    """Return the items of an argument.

    Args:
        items: the argument.
        name: its name, for the message.

    Raises:
        TypeError: if it is one text, which would be read as a list of letters, or no
            list at all.
    """
    if isinstance(items, str | bytes):
        raise TypeError(f"{name} must be a list of texts, got one text: {items[:40]!r}")
    if not isinstance(items, Iterable):
        raise TypeError(f"{name} must be a list of texts, got {type(items).__name__}")
    return list(items)


def strings(items: Any, name: str) -> list[str]:
    """Return the items of an argument, all of which must be strings.

    Args:
        items: the argument.
        name: its name, for the message.

    Raises:
        TypeError: as for `several`, or if an item is no string; the message has its
            index.
    """
    items = several(items, name)
    for k, item in enumerate(items):
        if not isinstance(item, str):
            raise TypeError(f"{name}[{k}] must be a str, got {type(item).__name__}")
    return items
