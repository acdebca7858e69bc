"""Writing safetensors and ``.npz`` files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..base.tensor import PLAIN_DTYPES
from ..formats.npy import DTYPE_SUFFIX, SUFFIX
from ..formats.safetensors import DTYPES
from .leaves import Leaf

if TYPE_CHECKING:
    from .leaves import Array

# Called with the bytes of each array once it is written.
Progress = Callable[[int], None]

# As the reference writer orders them among those of the same size: the last one first.
_ORDER = ["BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64"]
_ORDER += ["I64", "U64"]
_CODES = {dtype: code for code, dtype in DTYPES.items() if dtype in (*PLAIN_DTYPES, "bfloat16")}


def write_safetensors(
    file: BinaryIO,
    leaves: Sequence[Leaf],
    progress: Progress,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write what the reference implementation writes, byte for byte."""
    header: dict[str, Mapping[str, object]] = {"__metadata__": metadata} if metadata else {}
    for leaf in leaves:
        if leaf.dtype not in _CODES:
            raise TypeError(
                f"{leaf.name!r} has dtype {leaf.dtype}, which safetensors has not: "
                "save it as .npz or .pt"
            )
        if leaf.name == "__metadata__":
            raise ValueError("safetensors keeps the name '__metadata__' for itself")
    # The largest elements first: so all of them are aligned.
    ordered = sorted(
        leaves, key=lambda leaf: (-_ORDER.index(_CODES[leaf.dtype]), leaf.name.encode())
    )
    end = 0
    for leaf in ordered:
        begin, end = end, end + leaf.nbytes
        header[leaf.name] = {
            "dtype": _CODES[leaf.dtype],
            "shape": leaf.shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for leaf in ordered:
        write_elements(file, leaf.array())
        progress(leaf.nbytes)


def write_npz(file: BinaryIO, leaves: Sequence[Leaf], progress: Progress) -> None:
    """Write what ``numpy.savez`` would, for names that it takes for its own arguments as well."""
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for leaf in leaves:
            if "\0" in leaf.name:
                raise ValueError(f"the name {leaf.name!r} cannot stand in a zip archive")
            _write_npy(archive, leaf.name, leaf.array())
            if leaf.dtype == "bfloat16":
                # NumPy has no such dtype: the bits, and beside them what they are.
                _write_npy(archive, leaf.name + DTYPE_SUFFIX, np.array(leaf.dtype, "<U8"))
            progress(leaf.nbytes)


def _write_npy(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    # Without a date, so that equal arrays make equal files.
    entry = zipfile.ZipInfo(name + SUFFIX)
    with archive.open(entry, "w", force_zip64=True) as content:
        np.lib.format.write_array(content, array, allow_pickle=False)


def write_elements(file: BinaryIO, array: Array) -> None:
    """Write the elements of a C-contiguous array."""
    # Flat, because a memoryview refuses to cast a shape with a zero in it.
    file.write(array.reshape(-1).view(np.uint8).data)
