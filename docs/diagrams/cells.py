"""The diagrams of single cells, and of the loop."""

from drawing import (
    BLUE,
    PAPER,
    SLATE,
    Drawing,
    Labels,
)


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
