"""The characters of a tokenised sentence, for a character language model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo import checks
from zoo.text.encoders import Text

START = "\n"  # before a sentence, as between the lines of a text
SPACE = " "  # behind a word


class SentenceChars:
    r"""Encodes a sentence as characters, and where each word ends among them.

    The characters are a line break, and each word with a space behind it. A model that
    reads backward gets a line break, and each reversed word with a space behind it, the
    last word first.

    ::

        encoder = SentenceChars(Text.build(["no one"], "chars"))
        ids, ends = encoder.encode(["no", "one"])   # of "\nno one ": ends are 3 and 7

    Attributes:
        text: encodes characters.
        backward: whether the model reads backward.
    """

    def __init__(self, text: Text, *, backward: bool = False) -> None:
        """Build the encoder.

        Args:
            text: of the language model.
            backward: whether the model reads backward.

        Raises:
            ValueError: if the units of `text` are not characters.
        """
        if text.units != "chars":
            raise ValueError(f"a character language model is needed, got {text.units}")
        self.text = text
        self.backward = backward

    def encode(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the characters of a sentence, and the ends of its words.

        Args:
            tokens: T words.

        Returns:
            IDs int32 ``[C]``, and the index of the space behind each word, int32
            ``[T]``, in the order of `tokens`.
        """
        step = -1 if self.backward else 1
        start, end = self.text.encode(START), self.text.encode(SPACE)
        words = [
            np.concatenate([self.text.encode(word)[::step], end])
            for word in tokens[::step]
        ]
        ids = np.concatenate([start, *words]).astype(np.int32)
        lengths = np.array([len(word) for word in words], np.int32)
        return ids, lengths.cumsum(dtype=np.int32)[::step]

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as JSON values."""
        return {"text": self.text.to_json(), "backward": self.backward}

    @classmethod
    def from_json(cls, saved: Any, name: str) -> "SentenceChars":
        """Return the encoder that `to_json` described.

        Args:
            saved: the result of `to_json`.
            name: what it is part of, for messages.

        Raises:
            TypeError: if a part has another type.
            ValueError: if a part is missing, unknown or out of its range.
        """
        checks.fields(name, saved, {"text": dict, "backward": bool})
        text = Text.from_json(saved["text"], f"{name}.text")
        return cls(text, backward=saved["backward"])
