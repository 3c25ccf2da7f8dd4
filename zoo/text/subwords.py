"""Pieces of words by byte pair encoding; the `tokenizers` library does the work."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Subwords:
    """Splits a text into pieces, and joins pieces to the same text again.

    The pieces are single characters, then pairs of pieces that stood beside each other
    most often, joined one after the other, never across a space. A space belongs to the
    word after it and is written as ``▁``. Source: Sennrich et al. 2016,
    arXiv:1508.07909.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        """Wrap a trained tokenizer.

        Args:
            tokenizer: of the `tokenizers` library.
        """
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], size: int, unknown: str) -> "Subwords":
        """Learn the pieces of a corpus.

        Args:
            texts: the corpus.
            size: how many pieces there may be, single characters counted.
            unknown: the piece for characters that the corpus has not.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE(unk_token=unknown))
        # No space before the first word: the text comes back as it was.
        spaces: Any = {"replacement": "▁", "prepend_scheme": "never"}
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**spaces)
        tokenizer.decoder = decoders.Metaspace(**spaces)
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=[unknown], show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def split(self, text: str) -> list[str]:
        """Return the pieces of a text.

        Args:
            text: any text.
        """
        return self._tokenizer.encode(text).tokens

    def join(self, pieces: Iterable[str]) -> str:
        """Return the text of pieces.

        Args:
            pieces: as `split` gives them.
        """
        decoder: Any = self._tokenizer.decoder
        return decoder.decode(list(pieces))

    def to_json(self) -> dict[str, Any]:
        """Return the merges as plain lists and values."""
        return json.loads(self._tokenizer.to_str())

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Subwords":
        """Return what `to_json` told of.

        Args:
            saved: what `to_json` gave.

        Raises:
            ImportError: if the library `tokenizers` is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ImportError(
                "a model with --source-tokens or --target-tokens bpe needs the library "
                "tokenizers: pip install tokenizers"
            ) from error
        return cls(Tokenizer.from_str(json.dumps(saved)))
