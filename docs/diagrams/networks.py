"""The diagrams of networks and their outputs."""

from drawing import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    SLATE,
    Drawing,
    Labels,
)


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
