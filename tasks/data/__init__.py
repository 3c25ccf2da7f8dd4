"""Data of the tasks: files, formats, the hub, splits and batches. It imports no JAX."""

from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.reading import Kind
from zoo.tasks.data.loading import Split, Splits, load, read
from zoo.tasks.data.source import Files, Source

__all__ = [
    "DataError",
    "Files",
    "FormatError",
    "Kind",
    "Source",
    "Split",
    "Splits",
    "load",
    "read",
]
