"""The page of the tables: ``docs/generated/speed.md``."""

from collections.abc import Callable
from math import exp, log
from statistics import mean, median

from benchmarks.speed.captions import GRID, MEANS, PROCESS, STEPS
from benchmarks.speed.cases import KERNEL, SPACE
from benchmarks.speed.goals import goals
from benchmarks.speed.linear_cells import against_length, at_once
from benchmarks.speed.marks import (
    KINDS,
    ROWS,
    STACKS,
    by_peer,
    crossed,
    entry,
    fastest,
    lines,
    milliseconds,
    names,
    shape,
)
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS, REMAT, REMAT_OPTION
from benchmarks.speed.table import ROOT, Row, case_of

PAGE = ROOT / "docs" / "generated" / "speed.md"
TEMPLATES = ROOT / "benchmarks" / "templates"

# Peers other than our own layers.
OTHERS = [name for name in PEERS if not name.startswith(OURS)]


def _template(name: str) -> list[str]:
    """Return the lines of a template."""
    return (TEMPLATES / name).read_text(encoding="utf-8").splitlines()


def starred(name: str, ragged: bool) -> str:
    """Return the name of a peer, with a star if it computes the padding.

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
                    f"{exp(mean(map(log, ratios))):.2f} (lowest {min(ratios):.2f})"
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


def images(rows: list[Row], heading: str) -> list[str]:
    """Return the times of an LSTM of convolutions.

    Args:
        rows: of the part, of one machine.
        heading: what a heading of this depth begins with.
    """
    found: list[str] = []
    space, kernel = (" x ".join(map(str, n)) for n in (SPACE, KERNEL))
    told = f"Images of {space}, filters of {kernel}. Ratio to ours, and milliseconds."
    for kind, title in KINDS.items():
        some = [r for r in rows if r["kind"] == kind]
        if some:
            found += [f"{heading} {title} of an LSTM of convolutions", "", told, ""]
            found += crossed(by_peer(some), "B, T, D, H", lambda r: r["peer"], shape)
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
        some.sort(key=lambda r: int(r[axis]))
        fixed = ", ".join(f"{n} = {some[0][n]}" for n in "BTDH" if n != axis)
        found += [f"{heading} {title} of an LSTM against {axis}", ""]
        found += [f"{fixed}. Ratio to ours, and milliseconds.", ""]
        found += crossed(by_peer(some), axis, lambda r: r["peer"], lambda r: r[axis])
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
    """Return the memory of the steps alone, if it was measured, and of the processes.

    Args:
        rows: of the part, of one machine.
        heading: what a heading of this depth begins with.
    """
    cases = list(dict.fromkeys(map(case_of, rows)))
    by = {(case_of(r), r["peer"]): r for r in rows}
    titles = [f"{(c.B, c.T, c.D, c.H)}, {STACKS[str(c.layers)]}" for c in cases]

    def steps(row: Row) -> str:
        return f"{float(row['step_mb']):,.0f}" if row["step_mb"] else ""

    def process(row: Row) -> str:
        peak, base = float(row["peak_mb"]), float(row["base_mb"])
        return f"{peak:,.0f} ({peak - base:,.0f})"

    def words(name: str, told: Callable[[Row], str]) -> list[str]:
        own = [by.get((case, name)) for case in cases]
        return [
            "" if r is None else told(r) if r["peak_mb"] else r["note"].split(":")[0]
            for r in own
        ]

    found = [f"{heading} Memory of a training step of an LSTM", ""]
    if REMAT in names(rows):
        found += [f'`{REMAT}` is ours with `remat="{REMAT_OPTION}"`.', ""]
    measured = any(r["step_mb"] for r in rows)
    for how, told in [(STEPS, steps)] * measured + [(PROCESS, process)]:
        table = [[name, *words(name, told)] for name in names(rows)]
        found += [how, "", *lines(["", *titles], table)]
    return found


def whole(rows: list[Row]) -> list[str]:
    """Return the section of the whole programs.

    Args:
        rows: of their table.
    """
    header = [
        *("task", "data", "dtype", "cores", "library"),
        *("training, tokens/s", "evaluation"),
        *("first batch, s", "all shapes, s"),
    ]
    table = []
    for row in rows:
        words = [row["task"], f"`{row['data']}`", row["dtype"]]
        words += [row["cores"], row["library"]]
        words += [
            f"{float(row[job + '_tokens_per_second']):,.0f} "
            f"({float(row[job + '_ratio']):.2f})"
            for job in ("train", "evaluate")
        ]
        table.append([*words, row["first_batch_seconds"], row["all_shapes_seconds"]])
    told = sorted({f"{r['machine']}; {r['versions']}; zoo {r['zoo']}" for r in rows})
    return [
        "",
        *_template("speed_programs.md"),
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
    found = _template("speed.md")
    places = dict.fromkeys(map(_place, rows))
    for place in places:
        mine = [r for r in rows if _place(r) == place]
        device, dtype, machine, cores = place
        parts = {
            part: [r for r in mine if r["part"] == part]
            for part in ("grid", "images", "at once", "length", "width", "memory")
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
        found += images(parts["images"], "###")
        found += at_once(parts["at once"], "###")
        found += curve(parts["length"], "T", "###")
        found += curve(parts["width"], "H", "###")
        if any(r["first_seconds"] for r in parts["grid"]):
            found += first_calls(parts["grid"], "###")
        if parts["memory"]:
            found += memory(parts["memory"], "###")
        idle = max((float(r["idle"]) for r in mine if r["idle"]), default=0.0)
        rounds = min((int(r["rounds"]) for r in mine if r["rounds"]), default=0)
        versions = sorted({v for r in mine for v in r["versions"].split(", ")})
        ours = sorted({r["zoo"] for r in mine})
        found += [
            f"Versions: {', '.join(versions)}; zoo {', '.join(ours)}. Turns: {rounds} "
            f"or more. A waiting process used at most {100 * idle:.1f} % of a core.",
        ]
    if of_programs:
        found += whole(of_programs)
    return "\n".join([*found, ""])
