"""A trained language model: text in, more of the same out."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from zoo import checks
from zoo.models import LanguageModel, decoding
from zoo.pipelines.base import Pipeline
from zoo.text import Text


class LanguageModelPipeline(Pipeline):
    """Text in, more of the same out."""

    kind = "language_model"
    model_class = LanguageModel

    def __init__(self, options: dict[str, Any], text: Text, *, seed: int = 0) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.LanguageModel`.
            text: encodes a text.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.text = text

    def bind(self) -> None:
        """Take parameters and constants from `model`, after these were changed."""
        super().bind()
        self._step = jax.jit(
            lambda params, state, ids: self.apply(params, state, ids, method="step")
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
        """Write on, one token after the other.

        Args:
            prompt: the text to go on from; by default a line break, as after a
                paragraph.
            length: tokens to write.
            temperature: below 1 the likely is preferred; 0 always takes the argmax.
            top_k: draw among so many of the argmax only.
            top_p: draw among the argmax that together have this probability only.
            seed: of the draws.

        Yields:
            The new tokens, as soon as they are drawn; never the unknown one.

        Raises:
            ValueError: if an argument is out of its range.
        """
        draw = decoding.sampler(temperature=temperature, top_k=top_k, top_p=top_p)
        checks.positive("length", length)
        ids = self.text.encode(prompt or "\n")
        state = self.apply(self.params, 1, method="init_state")
        logits = None
        for token in ids:
            state, logits = self._step(self.params, state, np.array([token], np.int32))
        vocabulary = self.text.vocabulary
        shut = np.zeros(len(vocabulary), np.float32)
        shut[
            : vocabulary.unknown + 1 if vocabulary.unknown is not None else 0
        ] = -np.inf
        gap = "" if self.text.units == "chars" else " "
        key = jax.random.key(seed)
        token = ids[-1:]
        for n in range(length):
            state, logits = self._step(self.params, state, token)
            token = draw(jax.random.fold_in(key, n), logits + shut)
            yield gap + self.text.join(vocabulary.decode([int(token[0])]))

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        return {"options": self.options, "text": self.text.to_json()}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "LanguageModelPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        return cls(saved["options"], Text.from_json(saved["text"]))
