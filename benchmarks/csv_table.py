"""A table of results in a CSV file, into which new measurements are merged."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Row = dict[str, str]


class Table:
    """Rows with a key; a new row replaces the old row with the same key.

    The file is replaced in one step, so that an interrupted program leaves it intact.

    Attributes:
        path: the CSV file.
        key: names of the columns that identify a row.
        columns: names of all columns.
        rows: the rows, in the order of the file.
    """

    def __init__(self, path: Path, key: Sequence[str], columns: Sequence[str]) -> None:
        """Read the rows; there are none if the file does not exist.

        An older file may lack columns outside the key: its rows get empty values.

        Args:
            path: the CSV file.
            key: names of the columns that identify a row.
            columns: names of all columns.

        Raises:
            ValueError: if the file has other columns.
        """
        self.path, self.key, self.columns = path, tuple(key), tuple(columns)
        self.rows: list[Row] = []
        if path.exists():
            with path.open(newline="") as file:
                reader = csv.DictReader(file)
                names = list(reader.fieldnames or [])
                if names != [c for c in columns if c in names or c in key]:
                    raise ValueError(
                        f"{path} must have the columns {','.join(columns)}, got "
                        f"{','.join(names)}; move it away to start a new table"
                    )
                self.rows = [self._complete(row) for row in reader]

    def contains(self, values: Mapping[str, str]) -> bool:
        """Return whether a row has all of these values and did not fail.

        Args:
            values: some columns. A note that starts with "failed" marks a failure.
        """
        return any(
            all(row[name] == value for name, value in values.items())
            for row in self.rows
            if not row.get("note", "").startswith("failed")
        )

    def merge(self, new: Iterable[Mapping[str, str]]) -> None:
        """Replace the rows with the same keys, append the new ones, write the file.

        Args:
            new: rows; missing columns are empty.
        """
        rows = {self._key(row): row for row in map(self._complete, new)}
        kept = [row for row in self.rows if self._key(row) not in rows]
        self.rows = [*kept, *rows.values()]
        self.write()

    def write(self) -> None:
        """Write the rows to the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.path)

    def _complete(self, row: Mapping[str, str]) -> Row:
        """Return the row with all columns, empty where it has no value."""
        return {name: row.get(name, "") for name in self.columns}

    def _key(self, row: Row) -> tuple[str, ...]:
        """Return the key of a row."""
        return tuple(row[name] for name in self.key)
