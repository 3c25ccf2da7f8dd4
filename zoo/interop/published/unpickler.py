"""Pickled objects without their classes: nothing is imported, nothing is called.

A pickle names the functions and classes that rebuild its objects, and Python's reader
imports and calls them: a hostile file can run any program. Here each name becomes a
class of this module, which only keeps what it receives.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from zoo.interop.published.damage import described

_MOST_CLASSES = 10_000  # each takes a kilobyte; no checkpoint names a hundred
_MOST_ITEMS = 1_000_000  # of a tuple with those of the tuples inside it


class Inert:
    """The base of all that a pickle may create or call."""

    def __setstate__(self, state: Any) -> None:
        """Ignore the state. On the class itself this fails, so none can be changed."""


class Record(Inert):
    """An object of a class that is not imported.

    Attributes:
        class_name: its class, such as ``"argparse.Namespace"``.
        args: what the class was called with.
        state: its attributes by name, or whatever the pickle has instead.
    """

    class_name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Keep the arguments.

        Args:
            *args: of the class.
            **options: ignored.
        """
        self = super().__new__(cls)
        self.args = args
        self.state = {}
        return self

    def __init__(self, *args: Any, **options: Any) -> None:
        """Accept the arguments of `__new__`."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore an item: only the attributes of an object are read."""

    def append(self, item: Any) -> None:
        """Ignore an item.

        Args:
            item: of a subclass of a list.
        """

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute.

        Args:
            name: of the attribute.
            default: returned if there is none.
        """
        return self.state.get(name, default) if type(self.state) is dict else default


class Dict(dict, Inert):
    """A dict for the subclasses of dict: ``OrderedDict``, ``Counter``, ..."""

    def __init__(self, *args: Any) -> None:
        """Take the items.

        Args:
            *args: a dict or a list of pairs; anything else, such as the factory of a
                ``defaultdict``, is ignored.
        """
        super().__init__(args[0] if args and isinstance(args[0], dict | list) else ())


class Storage(Inert):
    """The memory of tensors.

    Attributes:
        dtype: of its numbers.
        size: how many.
        read: returns them, 1-D.
    """

    def __init__(
        self, dtype: np.dtype, size: int, read: Callable[[], np.ndarray]
    ) -> None:
        """Describe the memory, without reading it.

        Args:
            dtype: of its numbers.
            size: how many.
            read: returns them, 1-D.
        """
        self.dtype = dtype
        self.size = size
        self.read = read


class Tensor(Inert):
    """A tensor whose numbers are still in the file: ``np.asarray`` reads them.

    Attributes:
        shape: of the tensor.
        dtype: of its numbers.
    """

    def __init__(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        *rest: Any,
    ) -> None:
        """Check that the tensor lies in its storage.

        Args:
            storage: a `Storage`.
            offset: of the first number.
            shape: of the tensor.
            strides: of each axis, in numbers.
            *rest: whether it is trained, and hooks, which are ignored.

        Raises:
            ValueError: if a part has another type, or a number lies outside.
        """
        sizes = [offset, *shape, *strides]
        if not isinstance(storage, Storage) or len(shape) != len(strides):
            raise ValueError("a tensor has no storage, or no stride for some axis")
        if not all(type(n) is int and n >= 0 for n in sizes):
            raise ValueError(f"a tensor has the sizes {described(sizes)}")
        count = math.prod(shape)
        steps = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if count > storage.size or (count and offset + steps >= storage.size):
            raise ValueError(
                f"a tensor of shape {tuple(shape)} lies outside its {storage.size} "
                "numbers"
            )
        self.storage = storage
        self.offset = offset
        self.shape = tuple(shape)
        self.strides = tuple(strides)
        self.dtype = storage.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return a copy of the numbers.

        Args:
            dtype: of the result.
            copy: always made.
        """
        numbers = self.storage.read()[self.offset :]
        if 0 in self.shape:
            return np.zeros(self.shape, dtype or self.dtype)
        view = np.lib.stride_tricks.as_strided(
            numbers, self.shape, [n * self.dtype.itemsize for n in self.strides]
        )
        return np.array(view, dtype or self.dtype)


class _Parameter(Inert):
    """The tensor of a parameter."""

    def __new__(cls, tensor: Any, *rest: Any) -> Any:
        return tensor


class _Size(Inert):
    """A shape, as a tuple."""

    def __new__(cls, sizes: Any = ()) -> Any:
        return tuple(sizes)


class _Encoded(Inert):
    """Bytes, as protocols without an opcode for them store them: text in Latin-1."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if type(text) is not str or encoding != "latin1":
            raise ValueError(
                f"bytes must be stored in Latin-1, got {described(encoding)}"
            )
        return text.encode("latin1")


_CLASSES: Mapping[str, type[Inert]] = {
    "_codecs.encode": _Encoded,
    "collections.Counter": Dict,
    "collections.OrderedDict": Dict,
    "collections.defaultdict": Dict,
    "torch.Size": _Size,
    "torch._utils._rebuild_parameter": _Parameter,
    "torch._utils._rebuild_parameter_with_state": _Parameter,
    "torch._utils._rebuild_tensor": Tensor,
    "torch._utils._rebuild_tensor_v2": Tensor,
}


_TUPLES = {
    code[0] for code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
}


def _checking_size(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the reader of an opcode for tuples that checks their size."""

    def checked(self: Any) -> None:
        load(self)
        self.check_size(self.stack[-1])

    return checked


class Unpickler(pickle._Unpickler):  # noqa: SLF001
    """Reads a pickle; each class that it names becomes a `Record`.

    This is the reader in Python: the one in C allocates memory for the largest index
    that a pickle names, whatever the size of the file.
    """

    # Without the opcode that allocates memory of any size.
    dispatch: ClassVar = {
        code: _checking_size(load) if code in _TUPLES else load
        for code, load in pickle._Unpickler.dispatch.items()  # noqa: SLF001
        if code != pickle.BYTEARRAY8[0]
    }

    def __init__(self, file: Any, load_storage: Callable[[Any], Any]) -> None:
        """Start to read.

        Args:
            file: binary.
            load_storage: returns what a persistent ID refers to.
        """
        super().__init__(file, encoding="utf-8")
        self._records: dict[str, type[Record]] = {}
        self._load_storage = load_storage
        # By ID, each tuple with tuples inside it, and its size with theirs.
        self._nested: dict[int, tuple[tuple[Any, ...], int]] = {}

    def check_size(self, value: tuple[Any, ...]) -> None:
        """Raise an error if hashing or comparing a tuple would take without end.

        A tuple with the same tuple twice, and so on through 50 levels, is written in
        200 bytes, and Python visits 2^50 items to use it as the key of a dict.

        Args:
            value: a new tuple.

        Raises:
            ValueError: if it has too many items.
        """
        inner = [item for item in value if type(item) is tuple]
        if not inner:
            return
        sizes = (self._nested.get(id(item), (item, len(item)))[1] for item in inner)
        size = len(value) + sum(sizes)
        if size > _MOST_ITEMS:
            raise ValueError(f"nested tuples have more than {_MOST_ITEMS:,} items")
        self._nested[id(value)] = value, size

    def find_class(self, module: str, name: str) -> type[Inert]:
        """Return the class for a name; nothing is imported.

        Args:
            module: of the class.
            name: of the class.
        """
        full = f"{module}.{name}"
        if full in _CLASSES:
            return _CLASSES[full]
        if full not in self._records:
            if len(self._records) == _MOST_CLASSES:
                raise ValueError(f"more than {_MOST_CLASSES:,} classes are named")
            self._records[full] = type("Record", (Record,), {"class_name": full})
        return self._records[full]

    def persistent_load(self, pid: Any) -> Any:
        """Return what a persistent ID refers to.

        Args:
            pid: of a storage or a module.
        """
        return self._load_storage(pid)


def record_name(value: Any) -> str:
    """Return the class that a pickle named, or the type of another value.

    Args:
        value: of a pickle: an instance, or the class itself.
    """
    return getattr(value, "class_name", "") or type(value).__name__
