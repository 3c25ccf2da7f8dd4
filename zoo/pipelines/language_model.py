"""The pipeline of a language model."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from zoo import checks
from zoo.models import LanguageModel, decoding
from zoo.pipelines.base import Pipeline, check_size
from zoo.text import Text


class LanguageModelPipeline(Pipeline):
    """A language model: generates text from a prompt.

    A backward model reads a text from its last token to its first, and generates the
    text that precedes the prompt.

    Source: Akbik et al. 2018, "Contextual String Embeddings for Sequence Labeling",
    COLING, which concatenates the states of a forward and of a backward model.

    Attributes:
        text: encodes a text, in reading order.
        backward: whether the model reads from the last token to the first.
    """

    kind = "language_model"
    model_class = LanguageModel

    def __init__(
        self,
        options: dict[str, Any],
        text: Text,
        *,
        backward: bool = False,
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.LanguageModel`.
            text: encodes a text.
            backward: whether the model reads from the last token to the first.
            seed: as for `Pipeline`.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range, or does not match the
                vocabulary.
        """
        check_size(options, "vocab_size", len(text.vocabulary), "tokens")
        super().__init__(options, seed=seed)
        self.text = text
        self.backward = backward

    def bind(self) -> None:
        """Read parameters and constants from `model`, after a change of them."""
        super().bind()
        self._step = jax.jit(
            lambda params, state, ids: self.apply(params, state, ids, method="step")
        )
        self._state_after = jax.jit(
            lambda params, state, ids: self.apply(params, ids, None, state)[0]
        )

    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[str]:
        """Generate text, token by token.

        Args:
            prompt: the text to continue, or for a backward model the text to precede;
                by default a line break, as between paragraphs.
            length: number of tokens to generate.
            temperature: below 1 favours likely tokens; 0 takes the most likely, and
                ``float("inf")`` draws uniformly.
            top_k: sample from the k most likely tokens only.
            top_p: sample from the smallest set of tokens with this probability only.
            seed: of the random draws, from 0 to 2**32 - 1.

        Returns:
            An iterator over the text of each new token, drawn when it is asked for;
            never a reserved token, such as the unknown token. A backward model yields
            the tokens from right to left: see `completion`.

        Raises:
            TypeError: if `prompt` is not a string.
            ValueError: if an argument is out of its range, or the vocabulary of the
                model is empty.
        """
        draw = self._sampler(temperature, top_k, top_p)
        checks.positive("length", length)
        checks.seed("seed", seed)
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be a str, got {type(prompt).__name__}")
        # Where white space is no token, a text begins after an unknown token.
        first = np.array([self.text.vocabulary.unknown or 0], np.int32)
        ids = next(
            (ids for text in (prompt, "\n") if len(ids := self.text.encode(text))),
            first,
        )
        return self._draw(draw, ids[::-1] if self.backward else ids, length, seed)

    def completion(self, prompt: str, pieces: Iterable[str]) -> Iterator[str]:
        """Yield a prompt and the text generated from it, in reading order.

        ::

            pieces = pipeline.generate("The ", 100)
            print("".join(pipeline.completion("The ", pieces)))

        Args:
            prompt: as for `generate`.
            pieces: from `generate`. Those of a backward model are collected first:
                the last one is where the text begins.
        """
        if self.backward:
            yield from reversed(list(pieces))
            yield prompt
        else:
            yield prompt
            yield from pieces

    def warmup(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        longest: int = 64,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> None:
        """Compile the programs of `generate` ahead, so that no call waits for them.

        There is one that reads a token, one that draws a token with the given options
        and, if `longest` is above 1,024, one that reads 1,024 tokens.

        Args:
            longest: the largest number of tokens of a prompt.
            temperature: as for `generate`.
            top_k: as for `generate`.
            top_p: as for `generate`.

        Raises:
            ValueError: as for `generate`, or if `longest` is not positive.
        """
        draw = self._sampler(temperature, top_k, top_p)
        has_chunk = checks.positive("longest", longest) > self.longest
        ids = np.zeros(self.longest + 1 if has_chunk else 1, np.int32)
        list(self._draw(draw, ids, 1, 0))

    @property
    def num_outputs(self) -> int:
        """The number of tokens that the model predicts, the first of the vocabulary."""
        return self.options.get("num_outputs") or len(self.text.vocabulary)

    def _sampler(
        self, temperature: float, top_k: int | None, top_p: float | None
    ) -> Callable[..., Any]:
        """Return the function that draws a token, unless there is none to draw."""
        draw = decoding.sampler(temperature=temperature, top_k=top_k, top_p=top_p)
        if self.num_outputs == self.text.vocabulary.reserved:
            raise ValueError("the vocabulary of this model is empty: nothing to draw")
        return draw

    def _draw(
        self, draw: Callable[..., Any], ids: np.ndarray, length: int, seed: int
    ) -> Iterator[str]:
        """Yield the tokens of `generate` that continue tokens with IDs `ids`."""
        state = self.apply(self.params, 1, method="init_state")
        num_read = (len(ids) - 1) // self.longest * self.longest
        for start in range(0, num_read, self.longest):
            chunk = ids[None, start : start + self.longest]
            state = self._state_after(self.params, state, chunk)
        for token in ids[num_read:-1]:
            state, _ = self._step(self.params, state, np.array([token], np.int32))
        vocabulary = self.text.vocabulary
        penalty = np.zeros(self.num_outputs, np.float32)
        penalty[: vocabulary.reserved] = -np.inf
        separator = "" if self.text.units == "chars" else " "
        before, after = ("", separator) if self.backward else (separator, "")
        key = jax.random.key(seed)
        token = ids[-1:]
        for n in range(length):
            state, logits = self._step(self.params, state, token)
            token = draw(jax.random.fold_in(key, n), logits + penalty[None])
            yield before + self.text.join(vocabulary.decode([int(token[0])])) + after

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        saved = {"options": self.options, "text": self.text.to_json()}
        # Versions without this entry read forward models alone.
        return {**saved, "backward": True} if self.backward else saved

    @classmethod
    def from_json(cls, saved: Any) -> "LanguageModelPipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.
        """
        required = {"options": dict, "text": dict}
        checks.fields("pipeline", saved, required, {"backward": bool})
        return cls(
            saved["options"],
            Text.from_json(saved["text"]),
            backward=saved.get("backward", False),
            seed=None,
        )
