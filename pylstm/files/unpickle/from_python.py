"""The standard library's own types, as a pickle rebuilds them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..base.record import Record
from .context import Context, FileBytes, Handler, Name
from .keys import add_members, set_items

_EMPTY_ORDERED_DICT_BYTES = 600
_EMPTY_DICT_BYTES = 240
_EMPTY_SET_BYTES = 240


def _ordered_dict(context: Context, args: tuple[Any, ...]) -> Any:
    context.spend(_EMPTY_ORDERED_DICT_BYTES)
    made: OrderedDict[Any, Any] = OrderedDict()
    match args:
        case ():
            return made
        case (list() as pairs,):  # as Python 2 wrote them
            context.spend(16 * len(pairs))
            items = []
            for pair in pairs:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    context.fail("an OrderedDict of something else than pairs")
                items += pair
            set_items(context, made, items)
            return made
    return context.fail("an OrderedDict of unknown arguments")


def _default_dict(context: Context, args: tuple[Any, ...]) -> Any:
    context.spend(_EMPTY_DICT_BYTES)
    return {}


def _counter(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case ():
            return _default_dict(context, args)
        case (dict() as counts,):
            return counts
    return context.fail("a Counter of unknown arguments")


def _set(context: Context, args: tuple[Any, ...]) -> Any:
    context.spend(_EMPTY_SET_BYTES)
    made: set[Any] = set()
    match args:
        case ():
            return made
        case (list() | tuple() as members,):
            add_members(context, made, members, len(members))
            return made
    return context.fail("a set of unknown arguments")


def _frozen_set(context: Context, args: tuple[Any, ...]) -> Any:
    made = _set(context, args)
    context.spend(_EMPTY_SET_BYTES + 128 * len(made))
    return frozenset(made)


def _encode(context: Context, args: tuple[Any, ...]) -> Any:
    """Return bytes, which protocols 0 to 2 write as text of their values."""
    match args:
        case (str() as text, str("latin1" | "latin-1")):
            context.spend(len(text) + 64)
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                context.fail("bytes with a value above 255")
    return context.fail("_codecs.encode of something else than bytes")


def _bytes(context: Context, args: tuple[Any, ...]) -> Any:
    if args == ():
        return b""
    return context.fail("bytes of unknown arguments")


def _bytearray(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case ():
            return bytearray()
        case (FileBytes(),):
            return args[0]
        case (bytes() as data,):
            context.spend(len(data) + 64)
            return bytearray(data)
        case (str(), str()):
            return bytearray(_encode(context, args))
    return context.fail("a bytearray of unknown arguments")


def _complex(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case (float() as real, float() as imaginary):
            return complex(real, imaginary)
    return context.fail("a complex number of unknown arguments")


def _range(context: Context, args: tuple[Any, ...]) -> Any:
    if 1 <= len(args) <= 3 and all(type(arg) is int for arg in args) and args[2:] != (0,):
        return range(*args)
    return context.fail("a range of unknown arguments")


def _slice(context: Context, args: tuple[Any, ...]) -> Any:
    if 1 <= len(args) <= 3:
        return slice(*args)
    return context.fail("a slice of unknown arguments")


def _reconstructor(context: Context, args: tuple[Any, ...]) -> Any:
    """Return an object of protocols 0 and 1: class, built-in base, value of that base."""
    match args:
        case (Name(class_name="joblib.numpy_pickle.NumpyArrayWrapper") as cls, Record(), None):
            return context.call(cls, ())
        case (Record() as cls, Record(), base_value):
            return Record(cls.class_name, items=base_value)
    return context.fail("copyreg._reconstructor of unknown arguments")


def _new_object(context: Context, args: tuple[Any, ...]) -> Any:
    if not args:
        context.fail("copyreg.__newobj__ without a class")
    context.spend(8 * len(args))
    return context.call(args[0], args[1:])


HANDLERS: dict[str, Handler] = {
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _complex,
    "builtins.frozenset": _frozen_set,
    "builtins.range": _range,
    "builtins.set": _set,
    "builtins.slice": _slice,
    "builtins.xrange": _range,  # as protocols 0 to 2 name it
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "copyreg.__newobj__": _new_object,
    "copyreg._reconstructor": _reconstructor,
}
