"""Data of the tasks: files, formats, the hub, splits and batches. It imports no JAX."""

from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.reading import Kind
from zoo.tasks.data.loading import Split, Splits, load, read
from zoo.tasks.data.source import Files, Source
from zoo.tasks.data.streaming import Streamed, stream
from zoo.tasks.data.streams import Chunk, RowStream

__all__ = [
    "Chunk",
    "DataError",
    "Files",
    "FormatError",
    "Kind",
    "RowStream",
    "Source",
    "Split",
    "Splits",
    "Streamed",
    "load",
    "read",
    "stream",
]
