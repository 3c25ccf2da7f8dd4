"""The page of the tables: ``docs/speed.md``."""

from math import exp, log
from statistics import mean, median

from benchmarks.speed.goals import goals
from benchmarks.speed.linear import against_length
from benchmarks.speed.marks import (
    KINDS,
    ROWS,
    STACKS,
    entry,
    fastest,
    lines,
    milliseconds,
)
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS
from benchmarks.speed.table import ROOT, Row, case_of

PAGE = ROOT / "docs" / "speed.md"

HEAD = """\
# Speed

Recurrent layers of this library and of others, side by side. After
`pip install -e ".[parity]" ./native`, `python -m benchmarks.speed` fills `speed.csv`,
and `python -m benchmarks.speed --page` writes this page from it.

How it is measured:

- Each library runs in a process of its own, with as many threads as there are cores.
  The processes have their turns one after the other, so that never two compute at once;
  what one used of a core while it waited stands in `idle`.
- All are given the same weights and inputs. Outputs and gradients (by the inputs and by
  every weight) are compared with ours first, to 1e-4 of the largest entry; what differs
  is not timed.
- A turn repeats the work for 0.1 s or more, after one repetition that does not count.
  Every library has at least 7 turns; the median is shown.
- A ratio is the time of a library by that of ours in the same round, the median over
  the rounds: **above 1 ours is faster**.
- The training step is the gradient of the mean square of the outputs by inputs and
  weights; forward is without gradients. No optimiser, no dropout.
- Ragged rows have lengths from T/4 to T, drawn uniformly. Ours reads a mask, `torch
  packed` packs and pads again, Flax is given `seq_lengths`, Keras a mask, and the loss
  is over real tokens. Libraries with a `*` have nothing of the kind, or are not told:
  they run over the padding.
- Haiku's GRU resets before the product and its simple network has a ReLU: it is
  compared with our layers of that form. Equinox has no simple cell. The GRU of nnx has
  one bias less.
- JAX libraries are called under one `jax.jit`, as a user would; PyTorch without
  `torch.compile`.
- On a CPU ours calls the kernels of `native/` (rnn-zoo-native), which also let glibc
  keep freed memory; `zoo scan` is the same layer without them, by `jax.lax.scan`. There
  is no kernel for Haiku's forms.

On a GPU (`python -m benchmarks.speed --device gpu [--dtype bfloat16]`) there are these
differences:

- Inputs and weights are there before the clock starts, and a call ends when the GPU has
  finished; the time to launch it counts.
- float32 is compared to 5e-3, for a GPU multiplies it as TF32 where a library does not
  ask for more, and none is made to; bfloat16 is compared to 5e-2.
- In bfloat16 the inputs are bfloat16 everywhere. The parameters stay float32 in ours,
  in Flax and in Keras; PyTorch's and Equinox's are cast. Haiku is left out.
- A turn lasts as long as `--seconds` says, here 0.03 s, and the peers are those that
  `--peers` names. All programs are compiled before, at once, and read from a cache:
  there are no seconds of a first call. XLA chooses some kernels by timing them while it
  compiles, then on a GPU that all processes share.
- `jax cudnn` is `jax.experimental.rnn`: cuDNN in one call, of float32 alone. That our
  LSTM does not call it has its reason in these rows: our loop, two launches a step, 8
  steps an iteration and both directions at once, takes less time.
""".splitlines()
PROGRAMS = """\
## Whole programs

`python -m benchmarks.speed.programs` trains the tagger and the character model of
`train.py`, and the same models in plain PyTorch: packed rows, characters of real words
only, fused Adam, clipping. Both begin with the same weights (the loss of a batch is
compared), read the same batches, made as they go, and have their turns of some seconds.
The median of the rates; in brackets the ratio of the times, above 1 ours is faster. The
first batch compiles here, and so does each new shape: "all shapes" is one batch of each
in training and evaluation.
"""
MEANS = (
    "Geometric means of the ratios over cells and shapes, and in how many cases ours "
    "is slower."
)
# Not what we measure of ourselves.
OTHERS = [name for name in PEERS if not name.startswith(OURS)]
GRID = (
    "Ratio to ours, and milliseconds; in bold the fastest of the others that do the "
    "same work."
)


def names(rows: list[Row]) -> list[str]:
    """Return the peers that rows are of, in the order of the registry.

    Args:
        rows: of the table.
    """
    found = {row["peer"] for row in rows}
    return [name for name in PEERS if name in found]


def starred(name: str, ragged: bool) -> str:
    """Return a peer's name, with a star if it runs over the padding.

    Args:
        name: of the peer.
        ragged: whether there is padding.
    """
    return name + " \\*" * (ragged and not PEERS[name].lengths)


def summary(rows: list[Row]) -> list[str]:
    """Return the geometric means of the ratios, and how often a peer is faster.

    Args:
        rows: of the grid, of one machine.
    """
    found: list[str] = []
    for kind, title in KINDS.items():
        there = {(row["layers"], row["ragged"]) for row in rows}
        groups = [(a, b) for a in STACKS for b in ROWS if (a, b) in there]
        header = [title, *(f"{STACKS[a]}, {ROWS[b]}" for a, b in groups), "ours slower"]
        table = []
        for name in names(rows):
            if name in (OURS, OTHER_FORM):
                continue
            own = [r for r in rows if (r["peer"], r["kind"]) == (name, kind)]
            own = [r for r in own if r["ratio"]]
            words = [name]
            for group in groups:
                ratios = [
                    float(r["ratio"])
                    for r in own
                    if (r["layers"], r["ragged"]) == group
                ]
                words.append(
                    f"{exp(mean(map(log, ratios))):.2f} (least {min(ratios):.2f})"
                    if ratios
                    else ""
                )
            slower = sum(float(r["ratio"]) < 1 for r in own)
            table.append([*words, f"{slower} of {len(own)}"])
        found += lines(header, table)
    return found


def grid(rows: list[Row], heading: str) -> list[str]:
    """Return a table for each kind of work, stack and kind of rows.

    Args:
        rows: of the grid, of one machine.
        heading: what a heading of this depth begins with.
    """
    found: list[str] = []
    for kind, title in KINDS.items():
        for layers, stack in STACKS.items():
            for ragged, how in ROWS.items():
                wanted = (kind, layers, ragged)
                some = [
                    r for r in rows if (r["kind"], r["layers"], r["ragged"]) == wanted
                ]
                if not some:
                    continue
                peers = names(some)
                by = {(case_of(r), r["peer"]): r for r in some}
                # In the order in which they were measured, by shape.
                cases = sorted(
                    dict.fromkeys(case for case, _ in by),
                    key=lambda c: (-c.B * c.T * c.H * c.H, c.cell),
                )
                header = ["B, T, D, H", "cell", "ours, ms"]
                header += [starred(n, ragged == "1") for n in peers if n != OURS]
                table = []
                for case in cases:
                    ours = by.get((case, OURS))
                    words = [f"{case.B}, {case.T}, {case.D}, {case.H}", case.cell]
                    words.append(milliseconds(ours) if ours else "")
                    own = {n: by.get((case, n)) for n in peers if n != OURS}
                    nearest = fastest(list(filter(None, own.values())), OTHERS)
                    words += [
                        f"**{entry(row)}**" if row and row is nearest else entry(row)
                        for row in own.values()
                    ]
                    table.append(words)
                told = [] if found else [GRID, ""]  # once is enough
                found += [f"{heading} {title}, {stack}, {how}", "", *told]
                found += lines(header, table)
    return found


def curve(rows: list[Row], axis: str, heading: str) -> list[str]:
    """Return how the time of an LSTM grows along one axis.

    Args:
        rows: of one part, of one machine.
        axis: ``"T"`` or ``"H"``.
        heading: what a heading of this depth begins with.
    """
    found: list[str] = []
    for kind, title in KINDS.items():
        some = [r for r in rows if r["kind"] == kind]
        if not some:
            continue
        values = sorted({int(r[axis]) for r in some})
        fixed = ", ".join(f"{n} = {some[0][n]}" for n in "BTDH" if n != axis)
        by = {(r["peer"], int(r[axis])): r for r in some}
        table = [
            [name, *(entry(by.get((name, value))) for value in values)]
            for name in names(some)
        ]
        found += [f"{heading} {title} of an LSTM against {axis}", ""]
        found += [f"{fixed}. Ratio to ours, and milliseconds.", ""]
        found += lines([axis, *map(str, values)], table)
    return found


def first_calls(rows: list[Row], heading: str) -> list[str]:
    """Return the seconds of the first call, which compiles on JAX.

    Args:
        rows: of the grid, of one machine.
        heading: what a heading of this depth begins with.
    """
    table = []
    for name in names(rows):
        words = [name]
        for kind in KINDS:
            for layers in STACKS:
                seconds = [
                    float(r["first_seconds"])
                    for r in rows
                    if (r["peer"], r["kind"], r["layers"]) == (name, kind, layers)
                    and r["first_seconds"]
                ]
                words.append(f"{median(seconds):.2f}" if seconds else "")
        table.append(words)
    header = [
        f"{title}, {stack}" for title in KINDS.values() for stack in STACKS.values()
    ]
    told = "Seconds from the call to the result: the median over the grid."
    return [f"{heading} First call", "", told, "", *lines(["", *header], table)]


def memory(rows: list[Row], heading: str) -> list[str]:
    """Return the memory of the processes.

    Args:
        rows: of the part, of one machine.
        heading: what a heading of this depth begins with.
    """
    found = [f"{heading} Memory of a training step of an LSTM", ""]
    found += [
        "MB that a new process held at most over three training steps; in brackets "
        "what is more than before the first, with the library imported and the arrays "
        "made.",
        "",
    ]
    cases = list(dict.fromkeys(map(case_of, rows)))
    by = {(case_of(r), r["peer"]): r for r in rows}
    table = []
    for name in names(rows):
        words = [name]
        for case in cases:
            row = by.get((case, name))
            if row is None or not row["peak_mb"]:
                words.append("" if row is None else row["note"].split(":")[0])
                continue
            peak, base = float(row["peak_mb"]), float(row["base_mb"])
            words.append(f"{peak:,.0f} ({peak - base:,.0f})")
        table.append(words)
    titles = [f"{(c.B, c.T, c.D, c.H)}, {STACKS[str(c.layers)]}" for c in cases]
    return found + lines(["", *titles], table)


def whole(rows: list[Row]) -> list[str]:
    """Return the section of the whole programs.

    Args:
        rows: of their table.
    """
    header = [
        *("task", "data", "cores", "library", "training, tokens/s", "evaluation"),
        *("first batch, s", "all shapes, s"),
    ]
    table = []
    for row in rows:
        words = [row["task"], f"`{row['data']}`", row["cores"], row["library"]]
        words += [
            f"{float(row[job + '_tokens_per_second']):,.0f} "
            f"({float(row[job + '_ratio']):.2f})"
            for job in ("train", "evaluate")
        ]
        table.append([*words, row["first_batch_seconds"], row["all_shapes_seconds"]])
    told = sorted({f"{r['machine']}; {r['versions']}; zoo {r['zoo']}" for r in rows})
    return [
        "",
        *PROGRAMS.splitlines(),
        "",
        *lines(header, table),
        "; ".join(told) + ".",
    ]


def _place(row: Row) -> tuple[str, ...]:
    """Return what a section of the page is about."""
    return tuple(row[name] for name in ("device", "dtype", "machine", "cores"))


def page(rows: list[Row], of_programs: list[Row]) -> str:
    """Return the page of both tables.

    Args:
        rows: of the layers.
        of_programs: of the whole programs; there may be none.
    """
    found = list(HEAD)
    places = dict.fromkeys(map(_place, rows))
    for place in places:
        mine = [r for r in rows if _place(r) == place]
        device, dtype, machine, cores = place
        parts = {
            part: [r for r in mine if r["part"] == part]
            for part in ("grid", "length", "width", "memory")
        }
        where = f"{machine}; {cores} used"
        if device != "cpu":
            where = f"{device}, {dtype} ({where})"
        elif dtype != "float32":
            where += f"; {dtype}"
        found += ["", f"## {where}", ""]
        found += goals(mine, "###")
        found += against_length([r for r in mine if r["part"] == "linear"], "###")
        if parts["grid"]:
            found += [MEANS, "", *summary(parts["grid"])]
            found += grid(parts["grid"], "###")
        found += curve(parts["length"], "T", "###")
        found += curve(parts["width"], "H", "###")
        if any(r["first_seconds"] for r in parts["grid"]):
            found += first_calls(parts["grid"], "###")
        if parts["memory"]:
            found += memory(parts["memory"], "###")
        idle = max((float(r["idle"]) for r in mine if r["idle"]), default=0.0)
        rounds = min((int(r["rounds"]) for r in mine if r["rounds"]), default=0)
        told = sorted({word for r in mine for word in r["versions"].split(", ")})
        ours = sorted({r["zoo"] for r in mine})
        found += [
            f"Versions: {', '.join(told)}; zoo {', '.join(ours)}. Turns: {rounds} or "
            f"more. A waiting process used at most {100 * idle:.1f} % of a core.",
        ]
    if of_programs:
        found += whole(of_programs)
    return "\n".join([*found, ""])
