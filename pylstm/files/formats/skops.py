"""Archives of skops: one ``.npy`` for each array, and ``schema.json``, which says where it belongs.

Containers and plain values become what they were, but sets lists; objects of other classes become
inert records.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..base.json_text import Allowance, parse
from ..base.record import Record
from . import npy

if TYPE_CHECKING:
    from ..base.errors import WeightFileError
    from ..base.tensor import Make
    from ..base.zip_archive import ZipArchive

_SCHEMA = "schema.json"

# What the schema may inflate to beyond the size of the archive, and what a node of it becomes.
_SPARE_BYTES = 8 << 20
_NODE_BYTES = 300

# Numbers as keys can be chosen so that a dictionary is slow.
_MOST_OTHER_KEYS = 1000
_LONGEST_KEY = 40

# What stands in every node beside its content.
_HEAD = ("__class__", "__module__", "__loader__", "__id__", "protocol", "_skops_version")


def read(archive: ZipArchive, make: Make) -> Any:
    """Return the tree that an archive describes.

    Parameters
    ----------
    archive : ZipArchive
    make : Make

    Raises
    ------
    WeightFileError
        If the schema is none of skops, or names an entry that is not there.
    """
    content = archive.open(_SCHEMA)
    if content.size > archive.source.size + _SPARE_BYTES:
        raise archive.source.error(_SCHEMA, "is too large for an archive of this size")
    text = bytearray(content.size)
    content.readinto(0, memoryview(text))
    allowance = Allowance(archive.source.size)
    schema = parse(archive.source, bytes(text), _SCHEMA, allowance)
    if not isinstance(schema, dict) or "protocol" not in schema:
        raise archive.source.error(_SCHEMA, "is none of skops, which names its protocol")
    return _Nodes(archive, make, allowance).value(schema)


class _Nodes:
    """Turns nodes of a schema into what they stand for.

    Nodes are nested no deeper than the reader of JSON allows.
    """

    def __init__(self, archive: ZipArchive, make: Make, allowance: Allowance) -> None:
        self._archive = archive
        self._make = make
        self._allowance = allowance
        # One for each entry: arrays that were one object are one again.
        self._arrays: dict[str, Any] = {}

    def _error(self, reason: str) -> WeightFileError:
        return self._archive.source.error(_SCHEMA, reason)

    def value(self, node: Any) -> Any:
        """Return what a node stands for; what is no node stays what it is."""
        if isinstance(node, list):
            return [self.value(each) for each in node]
        if not isinstance(node, dict):
            return node
        self._allowance.left -= _NODE_BYTES
        if self._allowance.left < 0:
            raise self._error("needs too much memory for an archive of this size")
        if "__loader__" not in node:
            return {name: self.value(each) for name, each in node.items()}
        match node:
            case {"__loader__": "JsonNode", "content": str(text)}:
                return parse(self._archive.source, text.encode(), _SCHEMA, self._allowance)
            case {"__loader__": "NdArrayNode", "type": "numpy", "file": str(name)}:
                return self._array(name)
            case {"__loader__": "ListNode" | "SetNode", "content": list(items)}:
                return self._of_class(node, self.value(items), ("list", "set"))
            case {"__loader__": "TupleNode", "content": list(items)}:
                return self._of_class(node, tuple(self.value(items)), ("tuple",))
            case {"__loader__": "DictNode", "content": dict(items)}:
                made = self._mapping(items, node.get("key_types"))
                if _name(node) == "collections.OrderedDict":
                    return OrderedDict(made)
                return self._of_class(node, made, ("dict",))
            case {"__loader__": "DefaultDictNode", "content": {"main": dict(main)}}:
                return self.value(main)
            case {"__loader__": "DTypeNode", "content": {"file": str(name)}}:
                # It is that of an empty array.
                return Record("numpy.dtype", (str(getattr(self._array(name), "dtype", "")),))
        return self._record(node)

    def _of_class(self, node: dict[str, Any], made: Any, plain: tuple[str, ...]) -> Any:
        """Return a container, or the record of one whose class is derived from Python's."""
        name = _name(node)
        return made if name in {f"builtins.{each}" for each in plain} else Record(name, items=made)

    def _record(self, node: dict[str, Any]) -> Record:
        others = {name: self.value(each) for name, each in node.items() if name not in _HEAD}
        # The attributes of an object are its state, as those in a pickle are.
        state = others["content"] if list(others) == ["content"] else others or None
        return Record(_name(node), state=state)

    def _array(self, name: str) -> Any:
        if name not in self._archive.entries:
            raise self._error(f"names the entry {name!r:.200}, which is not in the archive")
        if name not in self._arrays:
            self._arrays[name] = npy.read_entry(self._archive, name, self._make)
        return self._arrays[name]

    def _mapping(self, items: dict[str, Any], types: Any) -> dict[Any, Any]:
        """Return a dictionary, whose keys are texts in JSON whatever they were."""
        kinds = types.get("content") if isinstance(types, dict) else None
        if not isinstance(kinds, list):
            raise self._error("has a dictionary without the types of its keys")
        if len(kinds) != len(items):
            # JSON has the number 1 and the text "1" under one name.
            raise self._error(
                f"has a dictionary of {len(kinds)} keys of which {len(items)} are left"
            )
        others = sum(kind is not None and _name(kind) != "builtins.str" for kind in kinds)
        if others > _MOST_OTHER_KEYS:
            raise self._error(f"has a dictionary of {others} keys that are no texts")
        made: dict[Any, Any] = {}
        for (text, value), kind in zip(items.items(), kinds, strict=True):
            key = self._key(text, _name(kind))
            if key in made:
                raise self._error(f"has the key {key!r} twice in a dictionary")
            made[key] = self.value(value)
        return made

    def _key(self, text: str, kind: str) -> Any:
        if kind == "builtins.str":
            return text
        try:
            match kind.removeprefix("builtins."):
                case "int" if len(text) <= _LONGEST_KEY:
                    return int(text)
                case "float" if len(text) <= _LONGEST_KEY:
                    return float(text)
                case "bool":
                    return {"true": True, "false": False}[text]
                case "NoneType":
                    return {"null": None}[text]
        except (ValueError, KeyError):
            raise self._error(f"has the key {text!r:.200}, which is no {kind}") from None
        return text


def _name(node: Any) -> str:
    """Return the dotted name of the class that a node names."""
    if isinstance(node, dict):
        module, name = node.get("__module__"), node.get("__class__")
        if isinstance(module, str) and isinstance(name, str):
            return f"{module}.{name}"
    return "skops.unknown"
