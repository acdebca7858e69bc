"""What all parts of the interpreter share while one pickle is read, and the objects between them.

None of these objects can do anything: they are what a pickle refers to, with a place to put what
it says about them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..base.errors import printable
from ..base.record import Record
from ..base.source import Segment, Source
from ..base.tensor import Make, Storage, Tensor
from .budget import Budget
from .stream import Stream

RECORD_BYTES = 128  # a Record, in CPython, with its place on the stack
TENSOR_BYTES = 1200  # a view by as_strided, with what it keeps alive
AXIS_BYTES = 120  # sizes and strides: in the pickle, in the Tensor, in the array


class Context:
    """The state of reading one pickle: its stream, its budget, the functions of its reader.

    Parameters
    ----------
    stream : Stream
        Where it is read from.
    make : Make
        Called with every tensor.
    budget : Budget
    load_storage : callable or None
        Reads a storage from a file within the pickle, given its bytes.
    """

    def __init__(
        self,
        stream: Stream,
        make: Make,
        budget: Budget,
        load_storage: Callable[[Segment], Any] | None = None,
    ) -> None:
        self.stream = stream
        self.file = stream.file
        self.record = stream.content.record
        self.make = make
        self.budget = budget
        self.load_storage = load_storage
        # Whether a storage was handed out, which may be left in the tree.
        self.has_storages = False
        # By the identity of a dict or set: how many of its keys have a hash that the file chose.
        self.chosen_hashes: dict[int, int] = {}
        # Storages whose bytes are read as another dtype than the one they were saved with.
        self.retyped: dict[tuple[Storage, str], Storage] = {}

    def fail(self, reason: str) -> NoReturn:
        """Raise the error about this pickle, with the place that was reached."""
        self.stream.fail(reason)

    def spend(self, memory: int) -> None:
        """Charge bytes of memory, before they are allocated."""
        self.budget.memory -= memory
        if self.budget.memory < 0:
            self.fail("its objects need too much memory for a file of this size")

    def work(self, steps: int) -> None:
        """Charge time, before it is spent."""
        self.budget.work -= steps
        if self.budget.work < 0:
            self.fail("its dictionary keys or set members take too long to compare")

    def call(self, function: Any, args: Any) -> Any:
        """Return what stands for ``function(*args)``; nothing outside this package is called."""
        if type(args) is not tuple:
            self.fail(f"arguments are a {type(args).__name__}, not a tuple")
        if not isinstance(function, Record):
            self.fail(f"calls a {type(function).__name__}")
        self.spend(RECORD_BYTES)
        if isinstance(function, Name):
            if function.handler is not None:
                return function.handler(self, args)
            return Record(function.class_name, args)
        # What another call returned is called: the parts are kept, as that call's arguments.
        self.spend(8 * len(args))
        return Record("operator.call", (function, *args))

    def tensor(
        self,
        storage: Storage,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
        offset: int = 0,
        *,
        conjugate: bool = False,
        negate: bool = False,
    ) -> Any:
        """Return what the caller makes of a tensor."""
        self.spend(TENSOR_BYTES + AXIS_BYTES * len(shape))
        tensor = Tensor(
            storage, shape, strides, offset, self.record, conjugate=conjugate, negate=negate
        )
        if conjugate or negate:
            self.spend(2 * tensor.span * tensor.dtype.itemsize)  # it shares no memory
        return self.make(tensor)


# What a known name does with the arguments of its call, and with the state that follows.
Handler = Callable[[Context, tuple[Any, ...]], Any]
Finish = Callable[[Context, tuple[Any, ...], Any], Any]


class Name(Record):
    """A class or function that the file refers to by name. It is never looked up."""

    __slots__ = ("handler",)

    def __init__(self, class_name: str, handler: Handler | None = None) -> None:
        super().__init__(class_name)
        self.handler = handler

    def __repr__(self) -> str:
        return f"<{printable(self.class_name)}>"


class StorageType(Name):
    """The name of one of torch's storage classes, which stands for a dtype."""

    __slots__ = ("dtype",)

    def __init__(self, class_name: str, dtype: str) -> None:
        super().__init__(class_name)
        self.dtype = dtype


class Unbuilt(Record):
    """An object that gets its value from BUILD, after the pickle may have stored references to it.

    Attributes
    ----------
    finish : callable
        Takes the context, the arguments of the call and the state of BUILD. Returns the value, or
        None if there is none that this package knows; the object then stays the record it is.
    places : list of int
        The indices in the memo that have to be replaced.
    """

    __slots__ = ("finish", "places")

    def __init__(self, class_name: str, args: tuple[Any, ...], finish: Finish) -> None:
        super().__init__(class_name, args)
        self.finish = finish
        self.places: list[int] = []


class FileBytes:
    """A long run of bytes in a pickle that stays in the file until an array needs the bytes.

    It is the data of an array in all but odd cases; see :func:`~pylstm.files.unpickle.unpickle`.
    """

    __slots__ = ("segment", "storage", "storages", "used")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.storages: dict[tuple[str, str], Storage] = {}  # of NumPy, by dtype and byte order
        self.storage: Any = None  # of torch, that a file in these bytes holds
        self.used = False


def segment_of(context: Context, data: bytes | bytearray | str | FileBytes) -> Segment:
    """Return the bytes of ``data`` as a part of a file."""
    if isinstance(data, FileBytes):
        data.used = True
        return data.segment
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")  # it was a string of Python 2
    context.spend(len(data) + RECORD_BYTES)
    return Segment(Source(context.file, memoryview(data)), 0, len(data), context.record)
