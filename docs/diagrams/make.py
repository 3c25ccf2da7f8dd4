"""Write the diagrams of docs/: ``python docs/diagrams/make.py [FOLDER]``.

Each diagram is written twice: ``NAME.svg`` with English labels and ``NAME.ru.svg`` with
Russian ones. A test compares the committed files with what this script writes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import russian
from drawing import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PAPER,
    SLATE,
    Drawing,
)

Labels = dict[str, str]


def unrolled(labels: Labels) -> Drawing:
    """A recurrent network as a loop, and unrolled over time."""
    d = Drawing(860, 262, "A recurrent network, unrolled over time", labels)
    y = 120
    d.box(110, y, 84, 44, "cell", "forward")
    d.arrow((110, 192), (110, y + 23))
    d.text(110, 206, "$x_t$", size=17)
    d.arrow((152, y), (178, y), (178, 76), (42, 76), (42, y), (67, y), color=BLUE)
    d.arrow((110, y - 22), (110, 56), over="#ffffff")
    d.text(110, 40, "$h_t$", size=17)
    d.text(238, y, "=", size=26)
    d.text(290, y, "$h_0$", size=17)
    for k in range(4):
        x = 380 + 120 * k
        d.arrow((x - 83 if k else 306, y), (x - 37, y), color=BLUE)
        d.box(x, y, 74, 44, "cell", "forward")
        d.arrow((x, 192), (x, y + 23))
        d.text(x, 206, f"$x_{k + 1}$", size=17)
        d.arrow((x, y - 22), (x, 56))
        d.text(x, 40, f"$h_{k + 1}$", size=17)
    d.arrow((777, y), (824, y), color=BLUE)
    note = "the same $W$, $U$ and $b$ at every step"
    d.text(560, 240, note, size=13, color=SLATE)
    return d


def rnn_cell(labels: Labels) -> Drawing:
    """The inside of an RNN cell."""
    d = Drawing(640, 270, "An RNN cell", labels)
    d.frame(320, 122, 400, 186)
    d.text(40, 115, "$h_{t-1}$", size=17)
    d.arrow((70, 115), (175, 115))
    d.box(200, 115, 50, 36, "$U$", "forward", size=16)
    d.arrow((225, 115), (288, 115))
    d.text(300, 250, "$x_t$", size=17)
    d.arrow((300, 236), (300, 198))
    d.box(300, 180, 50, 36, "$W$", "input", size=16)
    d.arrow((300, 162), (300, 127))
    d.text(300, 54, "$b$", size=16)
    d.arrow((300, 68), (300, 103))
    d.operator(300, 115, "+")
    d.arrow((312, 115), (390, 115))
    d.box(420, 115, 60, 36, "tanh", "backward")
    d.arrow((450, 115), (568, 115))
    d.text(590, 115, "$h_t$", size=17)
    return d


def lstm_cell(labels: Labels) -> Drawing:
    """The inside of an LSTM cell."""
    d = Drawing(760, 400, "An LSTM cell", labels)
    d.frame(382, 190, 560, 290)
    top, gates, bus = 90, 230, 300
    xs = {"forget $f$": 160, "input $i$": 275, "candidate $g$": 390, "output $o$": 515}
    d.text(46, top, "$c_{t-1}$", size=17)
    d.arrow((74, top), (148, top), color=BLUE, width=2.5)
    d.arrow((172, top), (378, top), color=BLUE, width=2.5)
    d.arrow((402, top), (690, top), color=BLUE, width=2.5)
    d.text(712, top, "$c_t$", size=17)
    d.text(46, bus, "$h_{t-1}$", size=17)
    d.arrow((74, bus), (515, bus), (515, gates + 18))
    for x in (160, 275, 390):
        d.arrow((x, bus), (x, gates + 18))
    d.text(126, 380, "$x_t$", size=17)
    d.arrow((126, 366), (126, bus), head=False)
    for label, x in xs.items():
        tanh = "g" in label.split("$")[1]
        d.box(x, gates, 56, 36, "tanh" if tanh else "σ", "backward" if tanh else "gate")
        if "o" in label.split("$")[1]:  # its line leaves to the right
            d.text(x, gates - 32, label, size=13, color=SLATE)
        else:
            d.text(x + 8, gates - 32, label, size=13, anchor="start", color=SLATE)
    d.text(136, 321, "$x_t W + h_{t-1} U + b$", size=13, anchor="start", color=SLATE)
    d.arrow((160, gates - 18), (160, top + 12))
    d.arrow((275, gates - 18), (275, 150), (378, 150))
    d.arrow((390, gates - 18), (390, 162))
    d.arrow((390, 138), (390, top + 12))
    d.arrow((620, top), (620, 132))
    d.box(620, 150, 56, 36, "tanh", "plain")
    d.arrow((620, 168), (620, gates - 12))
    d.arrow((543, gates), (608, gates))
    d.arrow((620, gates + 12), (620, bus), (690, bus))
    d.text(712, bus, "$h_t$", size=17)
    for x, y, sign in (
        (160, top, "×"),
        (390, top, "+"),
        (390, 150, "×"),
        (620, gates, "×"),
    ):
        d.operator(x, y, sign)
    return d


def gru_cell(labels: Labels) -> Drawing:
    """The inside of a GRU cell."""
    d = Drawing(760, 430, "A GRU cell", labels)
    d.frame(382, 205, 560, 320)
    top, gates, h, x = 90, 240, 300, 340
    d.text(46, top, "$h_{t-1}$", size=17)
    d.arrow((74, top), (198, top), color=BLUE, width=2.5)
    d.arrow((222, top), (588, top), color=BLUE, width=2.5)
    d.arrow((612, top), (690, top), color=BLUE, width=2.5)
    d.text(712, top, "$h_t$", size=17)
    d.arrow((126, top), (126, h), (480, h), (480, gates + 12))
    d.arrow((200, h), (200, gates + 18))
    d.arrow((340, h), (340, gates + 18))
    d.text(160, 412, "$x_t$", size=17)
    d.arrow((160, 398), (160, x), (600, x), (600, gates + 18))
    d.arrow((220, x), (220, gates + 18), over=PAPER)
    d.arrow((360, x), (360, gates + 18), over=PAPER)
    d.text(490, 280, "$h_{t-1} U_n + b_{hn}$", size=13, anchor="start", color=SLATE)
    d.text(590, 323, "$x_t W_n + b_n$", size=13, anchor="end", color=SLATE)
    d.box(210, gates, 56, 36, "σ", "gate")
    d.box(350, gates, 56, 36, "σ", "gate")
    d.box(600, gates, 56, 36, "tanh", "backward")
    d.text(218, gates - 32, "update $z$", size=13, anchor="start", color=SLATE)
    d.text(358, gates - 32, "reset $r$", size=13, anchor="start", color=SLATE)
    d.text(592, gates - 32, "candidate $n$", size=13, anchor="end", color=SLATE)
    d.arrow((378, gates), (468, gates))
    d.arrow((492, gates), (572, gates))
    d.arrow((210, gates - 18), (210, top + 12))
    d.arrow((210, 150), (372, 150))
    d.box(400, 150, 56, 36, "1 − $z$", "plain")
    d.arrow((428, 150), (588, 150))
    d.arrow((600, gates - 18), (600, 162))
    d.arrow((600, 138), (600, top + 12))
    for at, y, sign in (
        (210, top, "×"),
        (600, top, "+"),
        (600, 150, "×"),
        (480, gates, "×"),
    ):
        d.operator(at, y, sign)
    return d


def stacked_bidirectional(labels: Labels) -> Drawing:
    """Two bidirectional layers that tag a sentence with a padded position."""
    d = Drawing(900, 650, "A stacked bidirectional LSTM tags a sentence", labels)
    words, tags = ["Anna", "flew", "to", "Oslo"], ["B-PER", "O", "O", "B-LOC"]
    xs = [205 + 132 * k for k in range(5)]
    rows = {
        "tags": (52, "[B, T]"),
        "linear layer": (106, "[B, T, K]"),
        "outputs": (160, "[B, T, 2H]"),
        "outputs ": (318, "[B, T, 2H]"),
        "embedding": (476, "[B, T, D]"),
        "tokens": (532, "[B, T]"),
        "mask": (580, "[B, T]"),
    }
    for label, (y, shape) in rows.items():
        d.text(24, y, label.strip(), anchor="start")
        d.text(878, y, shape, size=13, anchor="end", color=SLATE)
    for name, y in (("layer 2", 212), ("layer 1", 370)):
        d.text(24, y + 22, name, anchor="start")
        for x, after in zip(xs, xs[1:], strict=False):
            padded = after == xs[-1]
            blue, orange = (PALE, PALE) if padded else (BLUE, ORANGE)
            d.arrow((x + 2, y + 46), (after - 42, y + 46), color=blue, dashed=padded)
            d.arrow((after - 2, y), (x + 42, y), color=orange, dashed=padded)
        d.text(878, y, "backward", size=13, anchor="end", color=ORANGE)
        d.text(878, y + 46, "forward", size=13, anchor="end", color=BLUE)
    for k, x in enumerate(xs):
        real = k < len(words)
        color = INK if real else PALE

        def kind(name: str, real: bool = real) -> str:
            return name if real else "padding"

        d.text(x, 580, str(real), size=13, color=INK if real else GREY)
        d.box(x, 532, 92, 32, words[k] if real else "padding", kind("plain"))
        d.arrow((x, 516), (x, 484), color=color)
        d.vector(x, 476, [kind("input")] * 4)
        for y in (370, 212):
            d.arrow((x - 20, y + 98), (x - 20, y + 62), color=color)
            d.arrow((x + 20, y + 98), (x + 20, y + 16), color=color, over="#ffffff")
            d.arrow((x - 20, y + 31), (x - 20, y - 44), color=color, over="#ffffff")
            d.arrow((x + 20, y - 15), (x + 20, y - 44), color=color)
            d.box(x - 20, y + 46, 44, 30, "LSTM", kind("forward"), size=12)
            d.box(x + 20, y, 44, 30, "LSTM", kind("backward"), size=12)
            d.vector(x, y - 52, [kind("forward")] * 2 + [kind("backward")] * 2)
        if real:
            d.arrow((x, 152), (x, 123))
            d.box(x, 106, 72, 32, "$y_t W + b$", "output", size=12)
            d.arrow((x, 90), (x, 69))
            d.box(x, 52, 72, 32, tags[k], "output")
    note = "In padding the state passes through unchanged and the output is zero."
    d.text(450, 622, note, size=13, color=SLATE)
    return d


def pooling(labels: Labels) -> Drawing:
    """A label from the last state, and from all states."""
    title = "Classification from the last state and from all states"
    d = Drawing(900, 380, title, labels)
    words = ["a", "very", "good", "film"]
    for left, heading in ((50, "last state"), (490, "pooling over all states")):
        pool = left > 50
        xs = [left + 45 + 90 * k for k in range(4)]
        d.text(left + 180, 28, heading, size=15)
        for k, (x, word) in enumerate(zip(xs, words, strict=True)):
            d.box(x, 340, 76, 32, word)
            d.arrow((x, 324), (x, 284))
            if k:
                d.arrow((x - 62, 262), (x - 29, 262), color=BLUE)
            d.box(x, 262, 56, 42, f"$h_{k + 1}$", "forward", size=16)
            if pool:
                d.arrow((x, 241), (x, 203))
        end = left + 180 if pool else xs[-1]
        if pool:
            label = "pooling: mean, max or attention"
            d.box(end, 185, 330, 36, label, "gate", size=13)
            d.arrow((end, 167), (end, 137))
        else:
            d.arrow((end, 241), (end, 137))
        d.box(end, 119, 108, 36, "linear layer", "output", size=13)
        d.arrow((end, 101), (end, 84))
        d.box(end, 66, 84, 34, "label", "output")
    return d


def tagging(labels: Labels) -> Drawing:
    """A tag for each word."""
    d = Drawing(760, 370, "Tagging with a bidirectional layer", labels)
    words = ["Anna", "reads", "old", "books"]
    tags = ["PROPN", "VERB", "ADJ", "NOUN"]
    xs = [155 + 150 * k for k in range(4)]
    for k, (x, word, tag) in enumerate(zip(xs, words, tags, strict=True)):
        d.box(x, 290, 92, 34, word)
        d.arrow((x, 273), (x, 239))
        if k:
            d.arrow((x - 121, 211), (x - 30, 211), color=BLUE)
            d.arrow((x - 29, 225), (x - 120, 225), color=ORANGE)
            d.arrow((x - 109, 52), (x - 41, 52), color=GREY, dashed=True, head=False)
        d.box(x, 218, 58, 40, f"$y_{k + 1}$", "forward", size=16)
        d.arrow((x, 198), (x, 153))
        d.box(x, 135, 108, 34, "linear layer", "output", size=13)
        d.arrow((x, 118), (x, 70))
        d.box(x, 52, 80, 34, tag, "output")
    note = "softmax: each tag by itself; CRF: pairs of neighbours too (dashed)"
    d.text(380, 342, note, size=13, color=SLATE)
    return d


def generation(labels: Labels) -> Drawing:
    """A language model that reads its own samples."""
    d = Drawing(760, 350, "Generation", labels)
    read, drawn = ["T", "h", "e", "n"], ["h", "e", "n", " …"]
    xs = [170 + 155 * k for k in range(4)]
    d.arrow((85, 190), (132, 190), color=BLUE)
    d.text(65, 190, "$h_0$", size=17)
    for k, (x, one, after) in enumerate(zip(xs, read, drawn, strict=True)):
        d.box(x, 270, 44, 34, one)
        d.arrow((x, 253), (x, 212))
        if k:
            d.arrow((x - 118, 190), (x - 37, 190), color=BLUE)
        d.box(x, 190, 74, 42, "cell", "forward")
        d.arrow((x, 169), (x, 137))
        d.box(x, 119, 84, 34, "softmax", "output", size=13)
        d.arrow((x, 102), (x, 69))
        d.box(x, 52, 44, 34, after, "output")
    for x, after in zip(xs, xs[1:], strict=False):
        path = (x + 22, 52), (x + 77, 52), (x + 77, 270), (after - 22, 270)
        d.arrow(*path, color=GREEN, dashed=True, over="#ffffff")
    d.text(380, 320, "The sampled character is the next input.", size=13, color=SLATE)
    return d


def encoder_decoder(labels: Labels) -> Drawing:
    """An encoder, a decoder, and one step of attention."""
    d = Drawing(900, 430, "An encoder, a decoder, and attention", labels)
    source, target = ["3", "May", "1979"], ["1979", "05", "03", "end"]
    read = ["begin", "1979", "05", "03"]
    ins = [90 + 115 * k for k in range(3)]
    outs = [520 + 105 * k for k in range(4)]
    d.text(205, 402, "encoder", size=15)
    d.text(677, 402, "decoder", size=15)
    for k, (x, word) in enumerate(zip(ins, source, strict=True)):
        d.box(x, 350, 70, 34, word)
        d.arrow((x, 333), (x, 301))
        if k:
            d.arrow((x - 85, 273), (x - 30, 273), color=BLUE)
            d.arrow((x - 29, 287), (x - 84, 287), color=ORANGE)
        d.box(x, 280, 58, 42, f"$m_{k + 1}$", "forward", size=16)
    for x, weight in zip(ins, (1, 1.5, 5), strict=True):
        d.arrow((x, 259), (374, 171), color=AMBER, width=weight, head=False)
    d.text(150, 196, "attention weights", size=13, color=AMBER)
    d.arrow((349, 280), (489, 280), color=BLUE)
    d.text(420, 297, "final state", size=13, color=BLUE)
    for k, (x, one, after) in enumerate(zip(outs, read, target, strict=True)):
        d.box(x, 350, 76, 34, one)
        d.arrow((x, 333), (x, 301))
        if k:
            d.arrow((x - 76, 280), (x - 30, 280), color=BLUE)
        d.arrow((x, 259), (x, 177))
        d.box(x, 280, 58, 42, f"$h_{k + 1}$", "forward", size=16)
        d.box(x, 159, 84, 34, "softmax", "output", size=13)
        d.arrow((x, 142), (x, 89))
        d.box(x, 72, 76, 34, after, "output")
    d.arrow((520, 225), (385, 225), (385, 173), color=AMBER, dashed=True)
    d.text(455, 239, "query", size=13, color=AMBER)
    d.operator(385, 160, "Σ")
    d.arrow((397, 160), (477, 160), color=AMBER)
    d.text(436, 144, "context", size=13, color=AMBER)
    return d


DIAGRAMS: tuple[Callable[[Labels], Drawing], ...] = (
    unrolled,
    rnn_cell,
    lstm_cell,
    gru_cell,
    stacked_bidirectional,
    pooling,
    tagging,
    generation,
    encoder_decoder,
)


def main(folder: Path) -> None:
    """Write all diagrams into a folder."""
    for diagram in DIAGRAMS:
        for ending, labels in ((".svg", {}), (".ru.svg", russian.LABELS)):
            path = folder / (diagram.__name__ + ending)
            path.write_text(diagram(labels).svg(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else Path(__file__).parent)
