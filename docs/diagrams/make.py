"""Write the diagrams of docs/: ``python docs/diagrams/make.py [FOLDER]``.

Each diagram is written twice: ``NAME.svg`` with English labels and ``NAME.ru.svg`` with
Russian ones. A test compares the committed files with what this script writes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cells
import networks
import russian
from drawing import Drawing, Labels

DIAGRAMS: tuple[Callable[[Labels], Drawing], ...] = (
    cells.unrolled,
    cells.rnn_cell,
    cells.lstm_cell,
    cells.gru_cell,
    networks.stacked_bidirectional,
    networks.pooling,
    networks.tagging,
    networks.generation,
    networks.encoder_decoder,
)


def main(folder: Path) -> None:
    """Write all diagrams into a folder."""
    for diagram in DIAGRAMS:
        for ending, labels in ((".svg", {}), (".ru.svg", russian.LABELS)):
            path = folder / (diagram.__name__ + ending)
            path.write_text(diagram(labels).svg(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else Path(__file__).parent)
