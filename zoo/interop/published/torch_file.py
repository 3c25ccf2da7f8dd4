"""Files of ``torch.save``, read without torch and without running code in them.

torch's own restricted reader, ``torch.load(weights_only=True)``, refuses what many
projects saved: whole modules, options, vocabularies, and any pickle of protocol 4.
Since torch 1.6 a file is a zip archive with a pickle and the numbers of each storage;
before, it was a series of pickles, followed by the numbers.
"""

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.interop.published.damage import DAMAGE, described, reason
from zoo.interop.published.unpickler import Storage, Unpickler, record_name

_DTYPES: Mapping[str, Any] = {
    "Float": np.float32,
    "Double": np.float64,
    "Half": np.float16,
    "BFloat16": jnp.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
}
_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file before torch 1.6


def read_torch(path: str | os.PathLike) -> Any:
    """Read a file of ``torch.save``.

    Args:
        path: of the file, in the format of any version of torch since 0.1.10; a plain
            pickle is read too.

    Returns:
        What was saved. Tensors are `Tensor`, which ``np.asarray`` turns into arrays;
        objects of classes are `Record`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or in another format.
    """
    content = Path(path).read_bytes()
    try:
        if content.startswith(b"PK\x03\x04"):
            return _read_zip(content)
        return _read_series(content)
    except DAMAGE as error:
        raise ValueError(
            f"{path}: expected a file of torch.save; this is another format, or the "
            f"file is damaged ({reason(error)})"
        ) from error


def _storage_type(value: Any) -> np.dtype:
    """Return the dtype of a class such as ``torch.FloatStorage``."""
    name = record_name(value)
    package, _, kind = name.rpartition(".")
    if package not in ("torch", "torch.cuda") or not kind.endswith("Storage"):
        raise ValueError(f"a storage has the type {name}")
    if kind.removesuffix("Storage") not in _DTYPES:
        raise ValueError(f"storages of type {name} are not supported")
    return np.dtype(_DTYPES[kind.removesuffix("Storage")])


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _read_zip(content: bytes) -> Any:
    """Read the format of torch 1.6 and later."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = archive.namelist()
    for info in archive.infolist():
        _check(
            info.compress_type == zipfile.ZIP_STORED,
            f"{info.filename} is compressed, and torch does not compress",
        )
    broken = archive.testzip()
    _check(broken is None, f"the checksum of {broken} differs")
    pickles = [name for name in names if name.endswith("/data.pkl")]
    _check(len(pickles) == 1, "the zip archive has no data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    name = f"{root}byteorder"
    is_big = name in names and archive.read(name) == b"big"
    order = ">" if is_big else "<"
    storages: dict[str, Storage] = {}

    def load_storage(pid: Any) -> Storage:
        match pid:
            case ("storage", kind, str(key), _, int(size)):
                if key not in storages:
                    storages[key] = stored(kind, f"{root}data/{key}", size)
                return storages[key]
        raise ValueError(f"unknown persistent ID {described(pid)}")

    def stored(kind: Any, name: str, size: int) -> Storage:
        dtype = _storage_type(kind)
        num_bytes = archive.getinfo(name).file_size
        _check(
            0 <= size * dtype.itemsize <= num_bytes,
            f"{name} has {num_bytes} bytes, too few for {size} numbers",
        )
        ordered = dtype.newbyteorder(order)
        return Storage(
            dtype, size, lambda: np.frombuffer(archive.read(name), ordered, size)
        )

    return Unpickler(io.BytesIO(archive.read(pickles[0])), load_storage).load()


def _read_series(content: bytes) -> Any:
    """Read the format before torch 1.6, or a plain pickle."""
    file = io.BytesIO(content)
    storages: dict[str, Storage] = {}
    numbers: dict[str, np.ndarray] = {}

    def load_storage(pid: Any) -> Any:
        match pid:
            case ("module", kind, *_):  # a class, with its source code
                return kind
            case ("storage", kind, str(key), _, int(size), None):
                return stored(kind, key, size)
            case ("storage", kind, str(key), _, int(size), (_, int(start), int(part))):
                whole = stored(kind, key, size)
                _check(
                    0 <= start <= start + part <= size,
                    f"a part of a storage has {part} numbers from {start}",
                )
                return Storage(
                    whole.dtype, part, lambda: numbers[key][start : start + part]
                )
        raise ValueError(f"unknown persistent ID {described(pid)}")

    def stored(kind: Any, key: str, size: int) -> Storage:
        dtype = _storage_type(kind)
        _check(
            0 <= size * dtype.itemsize <= len(content),
            f"a storage has {size} numbers, and the file {len(content)} bytes",
        )
        if key not in storages:
            storages[key] = Storage(dtype, size, lambda: numbers[key])
        return storages[key]

    def load() -> Any:
        return Unpickler(file, load_storage).load()

    first = load()
    if first != _MAGIC:
        _check(not storages, "the file has no numbers")
        return first
    _check(load() == 1001, "the version of the format is unknown")
    _check(load().get("little_endian") is True, "the numbers are in big-endian order")
    value = load()
    for key in load():
        (size,) = struct.unpack("<q", file.read(8))
        storage = storages[key]
        _check(size == storage.size, f"storage {described(key)} has {size} numbers")
        part = file.read(size * storage.dtype.itemsize)
        numbers[key] = np.frombuffer(part, storage.dtype, size)
    _check(numbers.keys() == storages.keys(), "the numbers of a storage are missing")
    return value
