"""Data of the tasks: files, formats, the hub, splits and batches. It imports no JAX."""

from tasks.data.formats.errors import DataError, FormatError
from tasks.data.formats.reading import Kind
from tasks.data.loading import Split, Splits, load, read
from tasks.data.source import Source

__all__ = [
    "DataError",
    "FormatError",
    "Kind",
    "Source",
    "Split",
    "Splits",
    "load",
    "read",
]
