"""The page of the tables: ``docs/generated/speed.md``."""

from benchmarks.csv_table import Row
from benchmarks.environment import describe_machine
from benchmarks.pages import markdown_table, read_template
from benchmarks.paths import PAGES
from benchmarks.speed.formatting import read_captions
from benchmarks.speed.goals import goals_section
from benchmarks.speed.linear_cells import length_section, parallel_section
from benchmarks.speed.sections import (
    curve_section,
    first_call_section,
    grid_section,
    images_section,
    memory_section,
    summary_section,
)

PAGE = PAGES / "speed.md"


def page(rows: list[Row], program_rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table of layers.
        program_rows: of the table of whole programs; may be empty.
    """
    lines = [read_template("speed.md")]
    by_machine: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("device", "dtype", "machine", "cores"))
        by_machine.setdefault(key, []).append(row)
    for machine_rows in by_machine.values():
        lines += ["", *machine_section(machine_rows)]
    if program_rows:
        lines += ["", *programs_section(program_rows)]
    return "\n".join([*lines, ""])


def machine_section(rows: list[Row]) -> list[str]:
    """Return the section of one machine and dtype.

    Args:
        rows: of the table of layers.
    """

    def part(name: str) -> list[Row]:
        return [row for row in rows if row["part"] == name]

    device, dtype = rows[0]["device"], rows[0]["dtype"]
    title = describe_machine(rows[0])
    if device != "cpu":
        title = f"{device}, {dtype} ({title})"
    elif dtype != "float32":
        title += f"; {dtype}"
    footer = read_captions()["versions"].format(
        versions=", ".join(
            sorted({v for r in rows for v in r["versions"].split(", ")})
        ),
        revisions=", ".join(sorted({row["zoo"] for row in rows})),
        rounds=min((int(row["rounds"]) for row in rows if row["rounds"]), default=0),
        idle=100
        * max((float(row["idle"]) for row in rows if row["idle"]), default=0.0),
    )
    return [
        f"## {title}",
        "",
        *goals_section(rows, "###"),
        *length_section(part("linear"), "###"),
        *summary_section(part("grid")),
        *grid_section(part("grid"), "###"),
        *images_section(part("images"), "###"),
        *parallel_section(part("parallel"), "###"),
        *curve_section(part("length"), "T", "###"),
        *curve_section(part("width"), "H", "###"),
        *first_call_section(part("grid"), "###"),
        *memory_section(part("memory"), "###"),
        footer,
    ]


def programs_section(rows: list[Row]) -> list[str]:
    """Return the section of whole programs.

    Args:
        rows: of the table of programs.
    """
    header = [
        *("task", "data", "dtype", "cores", "library"),
        *("training, tokens/s", "evaluation"),
        *("first batch, s", "all shapes, s"),
    ]
    table = []
    for row in rows:
        line = [row["task"], f"`{row['data']}`", row["dtype"], row["cores"]]
        line.append(row["library"])
        for job in ("train", "evaluate"):
            rate, ratio = row[f"{job}_tokens_per_second"], row[f"{job}_ratio"]
            line.append(f"{float(rate):,.0f} ({float(ratio):.2f})")
        table.append([*line, row["first_batch_seconds"], row["all_shapes_seconds"]])
    machines = sorted(
        {f"{r['machine']}; {r['versions']}; zoo {r['zoo']}" for r in rows}
    )
    return [
        read_template("speed_programs.md"),
        "",
        markdown_table(header, table),
        "",
        "; ".join(machines) + ".",
    ]
