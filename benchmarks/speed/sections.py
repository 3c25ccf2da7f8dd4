"""Sections of ``docs/generated/speed.md`` on the parts of the benchmark."""

from statistics import median

from benchmarks.csv_table import Row
from benchmarks.pages import markdown_table
from benchmarks.speed.cases import IMAGE_SHAPE, KERNEL_SIZE
from benchmarks.speed.formatting import (
    KINDS,
    ROWS,
    STACKS,
    fastest,
    format_ms,
    format_shape,
    format_time,
    geometric_mean,
    peer_names,
    read_captions,
    sort_by_peer,
    time_table,
)
from benchmarks.speed.peers import OURS, PEERS, REMAT, REMAT_OPTION, VARIANT
from benchmarks.speed.table import case_of

OTHERS = [name for name in PEERS if not name.startswith(OURS)]


def summary_section(rows: list[Row]) -> list[str]:
    """Return the geometric means of the ratios, and how often a peer is faster.

    Args:
        rows: of the grid, of one machine.
    """
    if not rows:
        return []
    lines = [read_captions()["summary"], ""]
    for kind, title in KINDS.items():
        measured = {(row["layers"], row["ragged"]) for row in rows}
        groups = [(a, b) for a in STACKS for b in ROWS if (a, b) in measured]
        header = [title, *(f"{STACKS[a]}, {ROWS[b]}" for a, b in groups), "ours slower"]
        table = []
        for name in peer_names(rows):
            if name in (OURS, VARIANT):
                continue
            timed = [
                row
                for row in rows
                if (row["peer"], row["kind"]) == (name, kind) and row["ratio"]
            ]
            line = [name]
            for group in groups:
                ratios = [
                    float(row["ratio"])
                    for row in timed
                    if (row["layers"], row["ragged"]) == group
                ]
                line.append(
                    f"{geometric_mean(ratios):.2f} (lowest {min(ratios):.2f})"
                    if ratios
                    else ""
                )
            slower = sum(float(row["ratio"]) < 1 for row in timed)
            table.append([*line, f"{slower} of {len(timed)}"])
        lines += [markdown_table(header, table), ""]
    return lines


def grid_section(rows: list[Row], heading: str) -> list[str]:
    """Return a table for each kind, stack and kind of rows.

    Args:
        rows: of the grid, of one machine.
        heading: Markdown prefix of the headings.
    """
    lines: list[str] = []
    for kind, title in KINDS.items():
        for layers, stack in STACKS.items():
            for ragged, rows_name in ROWS.items():
                group = (kind, layers, ragged)
                selected = [
                    row
                    for row in rows
                    if (row["kind"], row["layers"], row["ragged"]) == group
                ]
                if selected:
                    # The caption is shown once.
                    caption = [] if lines else [read_captions()["grid"], ""]
                    lines += [f"{heading} {title}, {stack}, {rows_name}", "", *caption]
                    lines += [_grid_table(selected, ragged == "1"), ""]
    return lines


def _grid_table(rows: list[Row], ragged: bool) -> str:
    """Return the table of one kind, stack and kind of rows."""
    names = peer_names(rows)
    by_case = {(case_of(row), row["peer"]): row for row in rows}
    # The largest shapes first.
    cases = sorted(
        dict.fromkeys(case for case, _ in by_case),
        key=lambda c: (-c.B * c.T * c.H * c.H, c.cell),
    )
    others = [name for name in names if name != OURS]
    # A star marks the peers that compute the padding.
    header = ["B, T, D, H", "cell", "ours, ms"]
    header += [
        name + " \\*" * (ragged and not PEERS[name].uses_lengths) for name in others
    ]
    table = []
    for case in cases:
        ours = by_case.get((case, OURS))
        line = [f"{case.B}, {case.T}, {case.D}, {case.H}", case.cell]
        line.append(format_ms(ours) if ours else "")
        peers = [by_case.get((case, name)) for name in others]
        best = fastest([row for row in peers if row], OTHERS)
        for row in peers:
            time = format_time(row)
            line.append(f"**{time}**" if row and row is best else time)
        table.append(line)
    return markdown_table(header, table)


def images_section(rows: list[Row], heading: str) -> list[str]:
    """Return the times of a convolutional LSTM.

    Args:
        rows: of the images part, of one machine.
        heading: Markdown prefix of the headings.
    """
    lines: list[str] = []
    caption = read_captions()["images"].format(
        image_shape=" x ".join(map(str, IMAGE_SHAPE)),
        kernel_size=" x ".join(map(str, KERNEL_SIZE)),
    )
    for kind, title in KINDS.items():
        selected = sort_by_peer([row for row in rows if row["kind"] == kind])
        if selected:
            lines += [f"{heading} {title} of a convolutional LSTM", "", caption, ""]
            table = time_table(
                selected, "B, T, D, H", lambda row: row["peer"], format_shape
            )
            lines += [table, ""]
    return lines


def curve_section(rows: list[Row], axis: str, heading: str) -> list[str]:
    """Return the times of an LSTM against one size.

    Args:
        rows: of one part, of one machine.
        axis: ``"T"`` or ``"H"``.
        heading: Markdown prefix of the headings.
    """
    lines: list[str] = []
    for kind, title in KINDS.items():
        selected = [row for row in rows if row["kind"] == kind]
        if not selected:
            continue
        selected.sort(key=lambda row: int(row[axis]))
        sizes = [f"{n} = {selected[0][n]}" for n in "BTDH" if n != axis]
        caption = read_captions()["curve"].format(sizes=", ".join(sizes))
        lines += [f"{heading} {title} of an LSTM against {axis}", "", caption, ""]
        table = time_table(
            sort_by_peer(selected),
            axis,
            lambda row: row["peer"],
            lambda row: row[axis],
        )
        lines += [table, ""]
    return lines


def first_call_section(rows: list[Row], heading: str) -> list[str]:
    """Return the seconds of the first call, which compiles on JAX.

    Args:
        rows: of the grid, of one machine.
        heading: Markdown prefix of the heading.
    """
    if not any(row["first_seconds"] for row in rows):
        return []
    table = []
    for name in peer_names(rows):
        line = [name]
        for kind in KINDS:
            for layers in STACKS:
                group = (name, kind, layers)
                seconds = [
                    float(row["first_seconds"])
                    for row in rows
                    if (row["peer"], row["kind"], row["layers"]) == group
                    and row["first_seconds"]
                ]
                line.append(f"{median(seconds):.2f}" if seconds else "")
        table.append(line)
    header = [
        f"{kind}, {stack}" for kind in KINDS.values() for stack in STACKS.values()
    ]
    caption = read_captions()["first_call"]
    table_text = markdown_table(["", *header], table)
    return [f"{heading} First call", "", caption, "", table_text, ""]


def memory_section(rows: list[Row], heading: str) -> list[str]:
    """Return the memory of the steps, if it was measured, and of the processes.

    Args:
        rows: of the memory part, of one machine.
        heading: Markdown prefix of the heading.
    """
    if not rows:
        return []
    captions, names = read_captions(), peer_names(rows)
    cases = list(dict.fromkeys(map(case_of, rows)))
    by_case = {(case_of(row), row["peer"]): row for row in rows}
    header = ["", *(f"{(c.B, c.T, c.D, c.H)}, {STACKS[str(c.layers)]}" for c in cases)]
    formats = {"process_memory": _process_memory}
    if any(row["step_mb"] for row in rows):
        formats = {"step_memory": _step_memory, **formats}
    lines = [f"{heading} Memory of a training step of an LSTM", ""]
    if REMAT in names:
        lines += [captions["remat"].format(peer=REMAT, option=REMAT_OPTION), ""]
    for caption, format_row in formats.items():
        table = []
        for name in names:
            peers = [by_case.get((case, name)) for case in cases]
            table.append([name, *(format_row(row) if row else "" for row in peers)])
        lines += [captions[caption], "", markdown_table(header, table), ""]
    return lines


def _step_memory(row: Row) -> str:
    """Return the memory of a step, or why there is none."""
    if not row["peak_mb"]:
        return row["note"].split(":")[0]
    return f"{float(row['step_mb']):,.0f}" if row["step_mb"] else ""


def _process_memory(row: Row) -> str:
    """Return the memory of a process and its increase, or why there is none."""
    if not row["peak_mb"]:
        return row["note"].split(":")[0]
    peak, base = float(row["peak_mb"]), float(row["base_mb"])
    return f"{peak:,.0f} ({peak - base:,.0f})"
