"""Trained models as a person uses them: text in, labels, tags or text out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks, decoding
from zoo.functional import functional
from zoo.models import Classifier, LanguageModel, Tagger
from zoo.text import Text, Vocabulary, Words, pad, tokenize


class Pipeline:
    """A model, its parameters, and what turns text into its inputs.

    Attributes:
        kind: ``"classifier"``, ``"tagger"`` or ``"language_model"``.
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
        self._jitted = jax.jit(
            lambda params, batch: self.apply(params, batch, method=self._infer)
        )

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
        """Return what a batch gives; compiled once a shape."""
        raise NotImplementedError(f"{type(self).__name__} must define _infer")

    def _run(
        self, rows: Sequence[dict[str, np.ndarray]], batch_size: int
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of each row and its results, in the order computed."""
        lengths = [len(next(iter(row.values()))) for row in rows]
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = pad(
                [rows[k] for k in chosen], self._length(lengths[chosen[-1]]), batch_size
            )
            found = jax.device_get(self._jitted(self.params, batch))
            for b, k in enumerate(chosen):
                yield k, jax.tree.map(lambda a, b=b: a[b], found)

    def _length(self, longest: int) -> int:
        """Return T for a batch: few values, so that few shapes are compiled."""
        step = 8 if longest <= 64 else 64
        return max(step, -(-longest // step) * step)


@dataclass(frozen=True)
class Classification:
    """The label of a text.

    Attributes:
        label: the most probable one.
        probability: of it.
        probabilities: of all labels.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


class ClassifierPipeline(Pipeline):
    """Text in, label out."""

    kind = "classifier"
    model_class = Classifier

    def __init__(
        self,
        options: dict[str, Any],
        text: Text,
        labels: Vocabulary,
        *,
        seed: int = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Classifier`.
            text: encodes a text.
            labels: the labels.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.text = text
        self.labels = labels

    def encode(self, text: str) -> dict[str, np.ndarray]:
        """Return the inputs of one text.

        Args:
            text: any text.
        """
        return {"words": self.text.encode(text)[: self.options.get("length")]}

    def predict(
        self, texts: Sequence[str], *, batch_size: int = 32
    ) -> list[Classification]:
        """Label texts.

        Args:
            texts: raw texts.
            batch_size: texts labelled at once.

        Returns:
            What was found for each text, in their order.

        Raises:
            TypeError: if `texts` is one text and not a list of them.
        """
        rows = [self.encode(text) for text in _several(texts, "texts")]
        found: list[Any] = [None] * len(rows)
        for k, p in self._run(rows, batch_size):
            by_label = dict(zip(self.labels.tokens, map(float, p), strict=True))
            best = self.labels.tokens[int(p.argmax())]
            found[k] = Classification(best, by_label[best], by_label)
        return found

    def _infer(self, model, batch):
        return jax.nn.softmax(model(batch["words"], batch["mask"]))

    def _length(self, longest):
        return self.options.get("length") or super()._length(longest)

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        return {
            "options": self.options,
            "text": self.text.to_json(),
            "labels": self.labels.to_json(),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "ClassifierPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        text, labels = Text.from_json(saved["text"]), Vocabulary(**saved["labels"])
        return cls(saved["options"], text, labels)


@dataclass(frozen=True)
class Entity:
    """A name in a sentence.

    Attributes:
        label: its type.
        start: number of its first token.
        stop: number of the token after its last.
        text: its tokens, joined by spaces.
    """

    label: str
    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Tagging:
    """The tags of a sentence.

    Attributes:
        tokens: its words.
        tags: the tag of each.
        probabilities: of each tag at its word.
        entities: the names in it, if the tags are BIO2; else empty.
    """

    tokens: list[str]
    tags: list[str]
    probabilities: list[float]
    entities: list[Entity]


class TaggerPipeline(Pipeline):
    """Sentences in, a tag for each word out."""

    kind = "tagger"
    model_class = Tagger

    def __init__(
        self,
        options: dict[str, Any],
        words: Words,
        labels: Vocabulary,
        *,
        seed: int = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Tagger`.
            words: encodes a sentence.
            labels: the tags.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.words = words
        self.labels = labels

    def encode(self, tokens: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the inputs of one sentence.

        Args:
            tokens: its words.
        """
        return self.words.encode(tokens)

    def predict(
        self,
        sentences: Sequence[str] | Sequence[Sequence[str]],
        *,
        batch_size: int = 32,
    ) -> list[Tagging]:
        """Tag sentences.

        Args:
            sentences: raw texts, split by `zoo.text.tokenize`; or lists of words.
            batch_size: sentences tagged at once.

        Returns:
            What was found for each sentence, in their order.

        Raises:
            TypeError: if `sentences` is one text and not a list of them.
        """
        split = [
            tokenize(s) if isinstance(s, str) else list(s)
            for s in _several(sentences, "sentences")
        ]
        found: list[Any] = [None] * len(split)
        for k, (labels, p) in self._run([self.encode(s) for s in split], batch_size):
            tokens = split[k]
            tags = self.labels.decode(labels[: len(tokens)])
            probabilities = [float(value) for value in p[: len(tokens)]]
            names = entities(tags) if self.options.get("bio_labels") else []
            found[k] = Tagging(
                tokens,
                tags,
                probabilities,
                [Entity(n, i, j, " ".join(tokens[i:j])) for n, i, j in names],
            )
        return found

    def _infer(self, model, batch):
        mask = jnp.asarray(batch["mask"])
        logits = model(batch["words"], mask, batch["chars"], batch["shapes"])
        return model.decode(logits, mask)

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        return {
            "options": self.options,
            "words": self.words.to_json(),
            "labels": self.labels.to_json(),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "TaggerPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        words, labels = Words.from_json(saved["words"]), Vocabulary(**saved["labels"])
        return cls(saved["options"], words, labels)


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
            temperature: below 1 the likely is preferred; 0 always takes the likeliest.
            top_k: draw among so many of the likeliest only.
            top_p: draw among the likeliest that together have this probability only.
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


PIPELINES: dict[str, type[Pipeline]] = {
    kind.kind: kind
    for kind in (ClassifierPipeline, TaggerPipeline, LanguageModelPipeline)
}


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the spans of BIO2 tags: type, first token, token after the last.

    Args:
        tags: of one sentence; an ``I-X`` that follows neither ``B-X`` nor ``I-X``
            begins a span, as conlleval has it.
    """
    spans: list[tuple[str, int, int]] = []
    before = "O"
    for k, tag in enumerate(tags):
        kind = tag[2:]
        if tag.startswith("I-") and before[2:] == kind and before != "O":
            spans[-1] = (kind, spans[-1][1], k + 1)
        elif tag != "O":
            spans.append((kind, k, k + 1))
        before = tag
    return spans


def _several(texts: Any, name: str) -> Sequence[Any]:
    """Return `texts` if it is a list: a bare string would be read as its letters."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of texts, got one text: {texts[:40]!r}")
    return texts
