"""Archives of ``torch.export.save`` (.pt2): tables of tensors, raw bytes, and the graph.

A table says which entry has the bytes of each tensor, by its name in the ``state_dict``. The graph
is not run: of its nodes the classes of the modules that made them are read, and the options of
torch's recurrent functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from ..base.json_text import Allowance, parse
from ..base.named import NamedArrays
from ..base.record import Record
from ..base.tensor import Storage, Tensor

if TYPE_CHECKING:
    from ..base.errors import WeightFileError
    from ..base.tensor import Make
    from ..base.zip_archive import ZipArchive

_TABLE = re.compile(r"[^/]+/data/weights/([^/]{1,200})_weights_config\.json")
# The numbers that stand for dtypes in torch._export.serde.schema.
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
_STRIDED = 7
_FUNCTION = re.compile(r"torch\.ops\.aten\.(lstm|gru|rnn_tanh|rnn_relu)\.(?:input|data)")
_CALL = re.compile(r"@\d{1,9}$")  # behind the path of a module that is called again
_FACTS = {"num_layers": int, "bidirectional": bool, "batch_first": bool, "dropout": float}
_MAX_LEVELS = 1000  # of modules in each other


def tables_in(archive: ZipArchive) -> dict[str, str]:
    """Return the tables of tensors in an archive: by the name of the program, the entry's."""
    found = (_TABLE.fullmatch(name) for name in archive.entries)
    return {match[1]: match[0] for match in found if match}


def read(archive: ZipArchive, tables: dict[str, str], make: Make) -> Any:
    """Return the tensors of an archive by name; of several programs those of each, by its name."""
    reader = _Reader(archive, next(iter(tables.values())).partition("/")[0], make)
    trees = {name: reader.program(name, table) for name, table in tables.items()}
    return trees if len(trees) > 1 else next(iter(trees.values()))


class _Reader:
    def __init__(self, archive: ZipArchive, top: str, make: Make) -> None:
        self._archive = archive
        self._source = archive.source
        self._top = top
        self._make = make
        self._allowance = Allowance(self._source.size)
        self._storages: dict[tuple[str, str], Storage] = {}
        self._byteorder: Literal["<", ">"] = self._read_byteorder()

    def program(self, name: str, table: str) -> NamedArrays:
        """Return the parameters, buffers and constants of one program."""
        arrays = NamedArrays()
        constants = f"{self._top}/data/constants/{name}_constants_config.json"
        for entry in (table, constants):
            if entry not in self._archive.entries:
                continue
            config = _member(self._json(entry), "config")
            if not isinstance(config, dict):
                raise self._error(entry, "has no table of tensors")
            for key, payload in config.items():
                if key in arrays:
                    raise self._error(entry, f"{key!r:.200} is a parameter and a constant")
                self._source.count(1, entry)
                self._add(arrays, key, payload, entry, is_weight=entry == table)
        graph = f"{self._top}/models/{name}.json"
        if graph in self._archive.entries:
            self._describe(arrays, self._json(graph))
        return arrays

    def _add(
        self, arrays: NamedArrays, key: str, payload: Any, entry: str, *, is_weight: bool
    ) -> None:
        meta, path = _member(payload, "tensor_meta"), _member(payload, "path_name")
        if _member(payload, "use_pickle") is not False or not isinstance(meta, dict):
            reason = "it is pickled: an object of its own class, or a tensor of one"
            self._source.unreadable[key] = reason
            if is_weight:
                arrays[key] = Record("torch._utils._rebuild_wrapper_subclass")
            return
        number = meta.get("dtype")
        dtype = _DTYPES.get(number) if type(number) is int else None
        if dtype is None or meta.get("layout") != _STRIDED or not isinstance(path, str):
            reason = "is no dense tensor of a known dtype"
            raise self._error(entry, f"{key!r:.200} {reason}")
        folder = entry.rpartition("/")[0]
        storage = self._storage(f"{folder}/{path}", dtype)
        shape, strides = (
            self._numbers(entry, key, meta.get(each)) for each in ("sizes", "strides")
        )
        [offset] = self._numbers(entry, key, [meta.get("storage_offset")])
        self._source.count(0, entry, shape)
        arrays[key] = self._make(Tensor(storage, shape, strides, offset, f"{key!r:.200}"))

    def _storage(self, path: str, dtype: str) -> Storage:
        """Return the storage in an entry: the same one, however often it is asked for."""
        storage = self._storages.get((path, dtype))
        if storage is None:
            contents = (
                each.content for (other, _), each in self._storages.items() if other == path
            )
            content = next(contents, None) or self._archive.open(path)
            storage = Storage(self._source.name, content, dtype, self._byteorder)
            self._storages[path, dtype] = storage
        return storage

    def _numbers(self, entry: str, key: str, values: Any) -> tuple[int, ...]:
        """Return sizes that are numbers; they may be symbols, as of a batch."""
        numbers = (
            [_member(each, "as_int") for each in values] if isinstance(values, list) else [None]
        )
        if any(type(each) is not int for each in numbers):
            raise self._error(entry, f"a size of {key!r:.200} is no number")
        return tuple(each for each in numbers if type(each) is int)

    def _describe(self, arrays: NamedArrays, graph: Any) -> None:
        """Note of the modules with recurrent parameters which classes and options they have."""
        prefixes = {
            key.rpartition(".")[0]
            for key in arrays
            if key.rpartition(".")[2].startswith(("weight_ih", "weight_hh"))
        }
        for node in _nodes(graph):
            for path, name in _modules(node):
                known = arrays.modules.get(path)
                if path in prefixes and known is None:
                    known = arrays.modules[path] = Record(name, state={})
                if known is not None and known.class_name == name and _is_innermost(node, path):
                    known.state.update(_facts(node))

    def _json(self, entry: str) -> Any:
        content = self._archive.open(entry)
        if content.size > self._source.size:
            raise self._error(entry, "is too large for an archive of this size")
        text = bytearray(content.size)
        content.readinto(0, memoryview(text))
        return parse(self._source, bytes(text), entry, self._allowance)

    def _read_byteorder(self) -> Literal["<", ">"]:
        entry = f"{self._top}/byteorder"
        if entry not in self._archive.entries:
            return "<"
        content = self._archive.open(entry)
        text = bytearray(min(content.size, 16))
        content.readinto(0, memoryview(text))
        if bytes(text) not in (b"little", b"big"):
            raise self._error(entry, f"is {bytes(text)!r}, not little or big")
        return "<" if text == b"little" else ">"

    def _error(self, record: str, reason: str) -> WeightFileError:
        return self._source.error(record, reason)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _nodes(graph: Any) -> Iterator[Any]:
    nodes = _member(_member(_member(graph, "graph_module"), "graph"), "nodes")
    return iter(nodes if isinstance(nodes, list) else ())


def _stack(node: Any) -> list[str]:
    stack = _member(_member(node, "metadata"), "nn_module_stack")
    return stack.split(";", _MAX_LEVELS) if isinstance(stack, str) else []


def _modules(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the paths and classes of the modules that a node was made in, the outermost first."""
    for level in _stack(node):
        parts = level.split(",", 3)
        if len(parts) == 3:
            yield _CALL.sub("", parts[1]), parts[2]


def _is_innermost(node: Any, path: str) -> bool:
    *_, (last, _) = _modules(node)
    return last == path


def _facts(node: Any) -> dict[str, Any]:
    """Return the options of a call of one of torch's recurrent functions."""
    target, inputs = _member(node, "target"), _member(node, "inputs")
    match = _FUNCTION.fullmatch(target) if isinstance(target, str) else None
    if match is None or not isinstance(inputs, list):
        return {}
    facts: dict[str, Any] = {"mode": match[1].upper()}
    for each in inputs:
        name, value = _member(each, "name"), _member(each, "arg")
        kind = _FACTS.get(name) if isinstance(name, str) else None
        told = next(iter(value.values()), None) if isinstance(value, dict) else None
        if kind is not None and type(told) is kind:
            facts[name] = told
    return facts
