"""``zoo predict``: the predictions of a trained model."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from zoo.cli.model import TrainedModel


@dataclass(frozen=True)
class Predict(TrainedModel):
    """Classify, tag or translate texts with a trained model.

    Texts come from the arguments, from --file, or from standard input, one per line.
    There is one output for each: a blank line is an empty text.
    """

    texts: Positional[tuple[str, ...]] = ()
    """Texts, each in quotes."""
    file: Path | None = None
    """Read one text per line from this file; - is standard input."""
    encoding: str = "utf-8"
    """Encoding of --file or of standard input, such as utf-16, latin-1 or cp1251."""
    json: bool = False
    """Print one JSON object per text."""
    pretokenized: bool = False
    """Tagging: the texts are tokenised; split them at spaces."""
    batch_size: int = 32
    """Texts per batch."""
    beam: int | None = None
    """Sequence to sequence: width of the beam search, by default 4; 1 is greedy."""
    n_best: int | None = None
    """Sequence to sequence: number of outputs per text, by default 1."""
    length_penalty: float | None = None
    """Sequence to sequence: larger favours long outputs; by default 1."""
    coverage_penalty: float | None = None
    """Sequence to sequence: larger favours complete outputs; by default 0."""
    attention: Path | None = None
    """Sequence to sequence: plot the attention weights into this image file."""

    def main(self) -> None:
        """Print the predictions."""
        from zoo.cli.predictions import predict

        predict(self)
