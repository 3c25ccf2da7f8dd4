"""``zoo cells``: the cells and their equations."""

from dataclasses import dataclass

from tyro.conf import Positional

from zoo.cli.command import Command


@dataclass(frozen=True)
class Cells(Command):
    """List the cells; with names, show their equations."""

    names: Positional[tuple[str, ...]] = ()
    """Cells to show the equations of."""

    def main(self) -> None:
        """Print the list or the equations."""
        from zoo.registry import cell_class, cells

        known = cells()
        if not self.names:
            rows = [("name", "family", "parameters", "paper")]
            rows += [
                (name, cell.family, cell.parameters, cell.paper)
                for name, cell in known.items()
            ]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                padded = map(str.ljust, row, widths)
                print("  ".join(padded).rstrip())
        for name in self.names:
            cell = cell_class(name)
            print(f"{cell.name}: zoo.{cell.__name__}, {cell.paper}")
            print(f"  parameters  {cell.parameters}")
            for line in cell.equation.split("; "):
                print(f"  {line}")
