"""The pipeline of a sequence-to-sequence model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo import checks
from zoo.models import Seq2Seq, decoding
from zoo.pipelines.base import Pipeline, check_size, strings
from zoo.text import BEGIN, END, Text

# Every search allocates arrays for an output of the largest length.
LONGEST = 2**16


@dataclass(frozen=True)
class Output:
    """A generated text.

    Attributes:
        text: the text.
        score: log-probability in nats, with the penalties of the beam search.
        tokens: of the text.
        attention: for each token, the weight of each source token; None unless
            requested.
    """

    text: str
    score: float
    tokens: list[str]
    attention: list[list[float]] | None = None


@dataclass(frozen=True)
class Writing:
    """The generated texts of one source.

    Attributes:
        source: tokens of the source.
        outputs: the texts, the best first.
        unread: number of tokens after `source` that the model did not read, since the
            source is longer than `Seq2SeqPipeline.max_source`.
    """

    source: list[str]
    outputs: list[Output]
    unread: int = 0


class Seq2SeqPipeline(Pipeline):
    """A sequence-to-sequence model: text in, another text out.

    Attributes:
        max_source: number of tokens that are read of a source; the others are not, and
            `Writing.unread` is their number.
    """

    # The decoder attends to all tokens of the source, so it cannot be read in chunks.
    max_source: ClassVar[int] = 4096

    kind = "seq2seq"
    model_class = Seq2Seq

    def __init__(
        self,
        options: dict[str, Any],
        source: Text,
        target: Text,
        max_length: int,
        *,
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Seq2Seq`.
            source: encodes sources.
            target: encodes targets; its vocabulary has the begin and the end token.
            max_length: largest number of generated tokens, up to `LONGEST`.
            seed: as for `Pipeline`.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range, or does not match a
                vocabulary, or that of the target lacks the begin or the end token.
        """
        vocabulary = target.vocabulary
        for side, text in (("source", source), ("target", target)):
            size = len(text.vocabulary)
            check_size(options, f"{side}_vocab_size", size, f"tokens of the {side}")
        if not {BEGIN, END} <= set(vocabulary.tokens[: vocabulary.reserved]):
            raise ValueError(
                f"the target must have the reserved tokens {BEGIN} and {END}"
            )
        if checks.positive("max_length", max_length) > LONGEST:
            raise ValueError(f"max_length must be at most {LONGEST}, got {max_length}")
        super().__init__(options, seed=seed)
        self.source = source
        self.target = target
        self.max_length = max_length
        self.begin, self.end = vocabulary.number(BEGIN), vocabulary.number(END)
        # Of the reserved tokens, only the end token is generated.
        self._penalty = np.zeros(len(vocabulary), np.float32)
        self._penalty[: vocabulary.reserved] = -np.inf
        self._penalty[self.end] = 0.0

    def encode(self, text: str) -> dict[str, np.ndarray]:
        """Return the inputs of one source.

        Args:
            text: any text.
        """
        return {"source": self.source.encode(text)[: self.max_source]}

    def predict(
        self,
        texts: Sequence[str],
        *,
        beam: int = 4,
        n_best: int = 1,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
        attention: bool = False,
        batch_size: int = 32,
    ) -> list[Writing]:
        """Generate texts for each source, by beam search.

        Args:
            texts: raw texts.
            beam: width of the beam; 1 is greedy.
            n_best: number of texts to return for each source.
            length_penalty: as for `zoo.decoding.beam_search`.
            coverage_penalty: as for `zoo.decoding.beam_search`.
            attention: return the attention weights.
            batch_size: sources per batch.

        Returns:
            One result per source, in the order of `texts`.

        Raises:
            TypeError: if `texts` is a single string, or not all texts are strings.
            ValueError: if an option is out of its range, or `attention` is requested of
                a model without attention.
        """
        checks.positive("n_best", n_best)
        if n_best > checks.positive("beam", beam):
            raise ValueError(f"n_best must be at most beam = {beam}, got {n_best}")
        if attention and self.options.get("attention", "additive") is None:
            raise ValueError("attention must be False: this model has no attention")
        texts = strings(texts, "texts")
        rows = [self.encode(text) for text in texts]
        results: list[Any] = [None] * len(rows)
        options = {
            "beam": beam,
            "length_penalty": length_penalty,
            "coverage_penalty": coverage_penalty,
        }
        for k, decoded in self._run(rows, batch_size, **options):
            units = self.source.split(texts[k])
            source = units[: self.max_source]
            outputs = []
            for n in range(n_best):
                if not np.isfinite(decoded.scores[n]):
                    break  # fewer than n_best sequences are possible
                length = int(decoded.lengths[n])
                tokens = self.target.vocabulary.decode(decoded.ids[n, :length])
                weights = None
                if attention:
                    weights = decoded.weights[n, :length, : len(source)].tolist()
                text = self.target.join(tokens)
                outputs.append(Output(text, float(decoded.scores[n]), tokens, weights))
            results[k] = Writing(source, outputs, unread=len(units) - len(source))
        return results

    def warmup(
        self,
        longest: int = 64,
        *,
        shortest: int = 1,
        batch_size: int = 32,
        beam: int = 4,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
    ) -> None:
        """Compile the programs of `predict` ahead, see `Pipeline.warmup`.

        Args:
            longest: the largest number of tokens of a source.
            shortest: the smallest number of tokens of a source.
            batch_size: as for `predict`, and so are the other options, each value of
                which has programs of its own.
            beam: width of the beam.
            length_penalty: of the beam search.
            coverage_penalty: of the beam search.

        Raises:
            ValueError: as for `Pipeline.warmup`, or if an option is out of its range.
        """
        options = {
            "beam": checks.positive("beam", beam),
            "length_penalty": length_penalty,
            "coverage_penalty": coverage_penalty,
        }
        self._warm_up(longest, shortest, batch_size, **options)

    def _padded_length(self, length: int) -> int:
        return super()._padded_length(min(length, self.max_source))

    def _example(self) -> dict[str, np.ndarray]:
        return self.encode("")

    def write(
        self,
        model: Any,
        source: Any,
        mask: Any,
        *,
        beam: int,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
    ) -> decoding.Decoded:
        """Run the beam search, inside jit.

        Args:
            model: a `zoo.models.Seq2Seq`.
            source: ints ``[B, S]``.
            mask: bool ``[B, S]``, True = a real token.
            beam: K, the width of the beam.
            length_penalty: as for `zoo.decoding.beam_search`.
            coverage_penalty: as for `zoo.decoding.beam_search`.

        Returns:
            K sequences for each row, the best first.
        """
        encoded, memory = model.encode(source, mask)
        wide = decoding.repeat(memory, beam)

        def step(state: Any, ids: Any) -> tuple[Any, ...]:
            state, logits, *weights = model.step(state, wide, ids)
            return state, logits + self._penalty[None], *weights

        return decoding.beam_search(
            step,
            model.init_decoder(encoded),
            width=beam,
            bos=self.begin,
            eos=self.end,
            max_length=self.max_length,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            memory_mask=mask,
        )

    def _infer(self, model: Any, batch: dict[str, Any], **options: Any) -> Any:
        return self.write(model, batch["source"], batch["mask"], **options)

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        return {
            "options": self.options,
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "max_length": self.max_length,
        }

    @classmethod
    def from_json(cls, saved: Any) -> "Seq2SeqPipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.
        """
        types = {"options": dict, "source": dict, "target": dict, "max_length": int}
        checks.fields("pipeline", saved, types)
        source, target = (
            Text.from_json(saved[side], side) for side in ("source", "target")
        )
        return cls(saved["options"], source, target, saved["max_length"], seed=None)
