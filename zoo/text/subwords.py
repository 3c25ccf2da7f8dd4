"""Subwords by byte pair encoding, a wrapper of the `tokenizers` library."""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import checks

# The piece of an unknown character. No piece of a text has a space.
UNKNOWN = " unknown "
_SURROGATE = re.compile("[\ud800-\udfff]")

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Subwords:
    """Splits a text into subwords, and joins subwords into the same text.

    Byte pair encoding: starting from single characters, the most frequent pair of
    adjacent subwords is merged again and again, never across a space. A space belongs
    to the word after it and is written as ``▁``. Source: Sennrich et al. 2016,
    arXiv:1508.07909.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        """Wrap a trained tokenizer.

        Args:
            tokenizer: of the `tokenizers` library.
        """
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str | list[str]], size: int) -> "Subwords":
        """Learn the merges from a corpus.

        Args:
            texts: the corpus: texts, or lists of texts, which are read faster.
            size: largest number of subwords, single characters included.
        """
        from tokenizers import trainers

        tokenizer = _tokenizer({}, [])
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=[UNKNOWN], show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        # Built again, because a special token would also be found in a text.
        return cls.from_json(json.loads(tokenizer.to_str()))

    def split(self, text: str) -> list[str]:
        """Return the subwords of a text, `UNKNOWN` for characters the corpus lacked.

        Args:
            text: any text.
        """
        # A lone surrogate is no character, and the library refuses it.
        return self._tokenizer.encode(_SURROGATE.sub("\ufffd", text)).tokens

    def pieces(self) -> list[str]:
        """Return all subwords, in the order of their numbers."""
        size = self._tokenizer.get_vocab_size()
        return [str(self._tokenizer.id_to_token(number)) for number in range(size)]

    def numbers(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the numbers of the subwords of each text, those of `split`.

        The texts are split in parallel.

        Args:
            texts: any texts.
        """
        texts = [_SURROGATE.sub("\ufffd", text) for text in texts]
        return [text.ids for text in self._tokenizer.encode_batch_fast(texts)]

    def join(self, pieces: Iterable[str]) -> str:
        """Return the text of subwords, the inverse of `split`.

        Args:
            pieces: as `split` returns them.
        """
        decoder: Any = self._tokenizer.decoder
        return decoder.decode(list(pieces))

    def to_json(self) -> dict[str, Any]:
        """Return the tokenizer as JSON values."""
        return json.loads(self._tokenizer.to_str())

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Subwords":
        """Return the subword model that `to_json` described.

        Only its subwords and merges are read: all else is the same in every model.

        Args:
            saved: the result of `to_json`.

        Raises:
            ImportError: if the library `tokenizers` is not installed.
            TypeError: if a part has another type.
            ValueError: if subwords or merges are missing, or contradict each other.
        """
        model = saved.get("model")
        if not isinstance(model, dict):
            raise TypeError(f"subwords.model must be a JSON object, got {model!r}")
        vocab, merges = model.get("vocab"), model.get("merges")
        if not isinstance(vocab, dict) or not isinstance(merges, list):
            raise TypeError(
                "subwords.model must have an object vocab and a list merges"
            )
        checks.items("subwords.model.vocab", vocab.values(), int)
        if sorted(vocab.values()) != list(range(len(vocab))):
            raise ValueError("subwords.model.vocab must have the IDs from 0, each once")
        if UNKNOWN not in vocab:
            raise ValueError(f"subwords.model.vocab has no {UNKNOWN!r}")
        checks.items("subwords.model.merges", merges, list)
        known = vocab.keys()
        for merge in merges:
            checks.items("a merge of subwords.model", merge, str)
            # The library panics, instead of an exception, if it lacks the result.
            valid = len(merge) == 2 and all(merge) and {*merge, "".join(merge)} <= known
            if not valid:
                raise ValueError(
                    "subwords.model.merges must be pairs of subwords that join to a "
                    f"subword, got {merge!r}"
                )
        return cls(_tokenizer(vocab, [(a, b) for a, b in merges]))


def _tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> "Tokenizer":
    """Return a tokenizer with the given subwords.

    Raises:
        ImportError: if the library `tokenizers` is not installed.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    except ImportError as error:
        raise ImportError(
            "a model with --source-tokens or --target-tokens bpe needs the library "
            "tokenizers: pip install tokenizers"
        ) from error
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=UNKNOWN))
    # No space before the first word, so that `join` restores the text exactly.
    spaces: Any = {"replacement": "▁", "prepend_scheme": "never"}
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**spaces)
    tokenizer.decoder = decoders.Metaspace(**spaces)
    return tokenizer
