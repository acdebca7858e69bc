"""Weights in several files: shards, and the index that says which tensor is in which of them.

Hugging Face's libraries write ``model-00001-of-00002.safetensors`` and so on, and an index of them,
``model.safetensors.index.json``; the same with ``pytorch_model`` and ``.bin`` around torch's files.
One shard alone may have some layers of a network, or half of one, and does not tell. Files that an
index names may have any names: a file with an index beside it that names it is a shard.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..base.errors import WeightFileError
from ..base.json_text import parse
from ..base.named import NamedArrays
from ..base.source import Source, open_source
from ..base.tensor import Make
from ..base.walk import name_text
from . import unsupported
from .safetensors import add_tied

_SHARD = re.compile(r"(?:^|[-_.])(\d{1,9})[-_]of[-_](\d{1,9})(?=\.|$)")
# The words before numbers that count whole models: model-fold-1-of-5.pt.
_COUNTED = re.compile(r"(?:epoch|fold|iter|member|run|seed|stage|step|trial)s?$", re.IGNORECASE)
# Where there are variants of a model, theirs is in the name: model.safetensors.index.fp16.json.
_INDEX = re.compile(r"\.index(\.[\w-]{1,100})?\.json")

# The names of files that hold all weights of a model, whatever else is in the folder.
_WHOLE = {
    f"{stem}{suffix}"
    for stem in ("model", "pytorch_model", "diffusion_pytorch_model")
    for suffix in (".safetensors", ".bin")
}

_LONGEST_INDEX = 100_000_000  # bytes
_LONGEST_NAME = 255  # of a file
_MOST_SHARDS = 10_000
_MOST_FILES = 100_000  # in a folder
_MOST_INDEXES = 10
_MAX_LISTED = 5

# What reads a shard: gives its format and its tree.
Read = Callable[[Source, Make], tuple[str, Any]]


def shard_of(name: str) -> tuple[int, int] | None:
    """Return which of several shards a file is by its name, and of how many; None if of none."""
    match = _SHARD.search(name)
    if match is None or int(match[2]) < 2 or _COUNTED.search(name, 0, match.start()):
        return None
    return int(match[1]), int(match[2])


def refuse_lone(name: str) -> None:
    """Raise if an open file, of which the others beside it are not read, is a shard."""
    shard = shard_of(name)
    told = "" if shard is None else _told(shard)
    if shard is None and _indexed(Path(name)) != Path(name):
        told = "one shard of several, as an index beside it says"
    if told:
        reason = f"{told}: pass its path, beside which the others are, or else its bytes"
        raise WeightFileError(name, "", reason)


def _told(shard: tuple[int, int]) -> str:
    return f"one shard of {shard[1]} (number {shard[0]}, by its name)"


def locate(path: Path) -> Path:
    """Return the file to open for a path: of a folder or a shard the index.

    Raises
    ------
    WeightFileError
        If that is not sure: a shard without an index, a folder of several models.
    IsADirectoryError
        If a folder holds neither an index nor a file with the weights of a model.
    """
    if path.is_dir():
        return _in_folder(path)
    # In its cache Hugging Face keeps a file under the hash of its content, and a link to it under
    # its own name; others may have made a link of another name.
    spellings = dict.fromkeys((path, Path(os.path.realpath(path))))
    for shard in spellings:
        if shard_of(shard.name) is not None:
            return _index_of(path, shard)
    indexes = (index for file in spellings if (index := _indexed(file)) != file)
    return next(indexes, path)


def _indexed(path: Path) -> Path:
    """Return the index that names a file among others, whatever the file is called; else the file.

    Raises
    ------
    WeightFileError
        If there are several such index files.
    """
    if not path.is_file() or _is_index(path.name):
        return path
    naming = []
    try:
        names = _files_in(path.parent, strict=False)
    except OSError:  # a folder whose files may be opened and not listed
        names = []
    for index in [path.parent / name for name in names if _is_index(name)][:_MOST_INDEXES]:
        try:
            files = _files_named(index)
        except (WeightFileError, OSError):  # one of something else than weights
            continue
        if path.name in files and len(files) > 1:
            naming.append(index)
    if len(naming) > 1:
        told = ", ".join(each.name for each in naming)
        reason = f"is one shard of several, and several index files name it: {told}"
        raise WeightFileError(str(path), "", f"{reason}; its content as bytes is read alone")
    return naming[0] if naming else path


def _files_in(folder: Path, *, strict: bool = True) -> list[str]:
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(names) == _MOST_FILES:
                if not strict:
                    break
                raise WeightFileError(str(folder), "", f"has more than {_MOST_FILES} files")
            names.append(entry.name)
    return sorted(names)


def _in_folder(folder: Path) -> Path:
    """Return the one file in a folder that stands for a model."""
    names = _files_in(folder)
    if ".metadata" in names and any(name.endswith(".distcp") for name in names):
        return folder / ".metadata"  # of torch.distributed.checkpoint
    shards = [name for name in names if shard_of(name) is not None]
    found = [name for name in names if name in _WHOLE or _is_index(name)]
    if len(found) == 1 and (not shards or _is_index(found[0])):
        return folder / found[0]
    if found:
        told = ", ".join((found + shards)[:_MAX_LISTED])
        raise WeightFileError(str(folder), "", f"has weights in several files: pass one of {told}")
    if shards:
        shard = shard_of(shards[0])
        assert shard is not None
        reason = f"has shards and no index of them: {shards[0]} is {_told(shard)}"
        raise WeightFileError(str(folder), "", reason)
    if told := unsupported.folder(folder):
        raise WeightFileError(str(folder), "", told)
    reason = "Is a directory: without an index of shards, model.safetensors or pytorch_model.bin"
    raise OSError(errno.EISDIR, reason, str(folder))


def _is_index(name: str) -> bool:
    return _INDEX.search(name) is not None and name.endswith(".json")


def _index_of(path: Path, shard: Path) -> Path:
    """Return the index that names a shard, in the same folder."""
    told = shard_of(shard.name)
    assert told is not None
    if not shard.is_file():
        return path  # which cannot be opened
    folder, plain = shard.parent, _SHARD.sub("", shard.name, count=1)
    usual = folder / f"{plain}.index.json"
    if usual.exists():
        found = [usual]
    else:
        found = [folder / name for name in _files_in(folder) if _is_index(name)][:_MOST_INDEXES]
    naming = [each for each in found if shard.name in _files_named(each)]
    if len(naming) == 1:
        return naming[0]
    if naming:
        problem = f"several index files name it: {', '.join(each.name for each in naming)}"
    elif usual in found:
        problem = f"{usual.name} does not name it"
    else:
        problem = f"there is no index beside it ({usual.name})"
    reason = f"{_told(told)}, and {problem}; its content as bytes is read alone"
    raise WeightFileError(str(path), "", reason)


def _files_named(path: Path) -> set[str]:
    with open_source(path) as source:
        return set(Index(source).files)


class Index:
    """What an index says.

    Parameters
    ----------
    source : Source
        Whose content is JSON.

    Attributes
    ----------
    files : dict of str to set of str
        The names of the tensors in each shard, by its name, in the order of the index.
    names : dict of str to str
        The shard of each tensor, by its name.
    metadata : dict of str to object
        What else the index says.

    Raises
    ------
    WeightFileError
        If it is no index, or names files that are not in its own folder.
    """

    def __init__(self, source: Source) -> None:
        if source.size > _LONGEST_INDEX:
            raise source.error("", f"an index of {source.size} bytes, more than {_LONGEST_INDEX}")
        content = parse(source, source.read(0, source.size))
        names = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(names, dict):
            raise source.error(
                "",
                "JSON text, not a weight file nor an index of shards: it has no weight_map",
            )
        self.files: dict[str, set[str]] = {}
        for name, file in names.items():
            if not isinstance(file, str) or not is_plain(file):
                raise source.error(name, f"is in {file!r:.300}, which is no file beside the index")
            self.files.setdefault(file, set()).add(name)
        if len(self.files) > _MOST_SHARDS:
            raise source.error("", f"an index of {len(self.files)} shards")
        self.names: dict[str, str] = names
        metadata = content.get("metadata")
        self.metadata: dict[str, Any] = metadata if isinstance(metadata, dict) else {}


def is_plain(name: str) -> bool:
    """Tell whether a name is that of a file in the same folder, on every system."""
    return (
        0 < len(name) <= _LONGEST_NAME
        and name not in (".", "..")
        and not any(character in name for character in "/\\:\0")
    )


def read(source: Source, make: Make, read_shard: Read) -> tuple[str, dict[str, Any]]:
    """Return the format of shards, and all tensors in them by name, in the order of the index.

    Parameters
    ----------
    source : Source
        The index.
    make : Make
    read_shard : callable
        Takes the source of a shard, and ``make``; returns its format and tree.
    """
    index = Index(source)
    if source.path is None:
        raise source.error("", "an index of shards, which has no folder here: pass its path")
    formats: dict[str, str] = {}
    found: dict[str, Any] = {}
    options: dict[str, dict[str, Any]] = {}
    ties: dict[str, Any] = {}
    for file, names in index.files.items():
        shard = open_source(source.path.parent / file)
        source.beside.append(shard)
        # All of them together may need no more than one file.
        shard.shares = len(index.files)
        format, tree = read_shard(shard, make)
        formats.setdefault(format, file)
        _check(shard, index, names, tree)
        options |= tree.options if isinstance(tree, NamedArrays) else {}
        for name, value in tree.items():
            (found if name in names else ties)[name] = value
        source.unreadable |= shard.unreadable
    if len(formats) > 1:
        told = ", ".join(f"{file} is {format}" for format, file in formats.items())
        raise source.error("", f"an index of files of several formats: {told}")
    arrays = NamedArrays()
    arrays.update({name: found[name] for name in index.names})
    arrays.update({name: value for name, value in ties.items() if name not in arrays})
    add_tied(arrays, index.metadata)
    arrays.options = options
    source.metadata |= {"index": source.path.name, "shards": str(len(index.files))}
    return next(iter(formats), "index"), arrays if options else dict(arrays)


def _check(shard: Source, index: Index, names: set[str], tree: Any) -> None:
    """Raise unless a shard has exactly the tensors that the index names."""
    if not isinstance(tree, Mapping):
        raise shard.error("", f"holds a {type(tree).__name__}, not tensors by name as a shard does")
    for name in names:
        if name not in tree:
            raise shard.error(name, "is not in this shard, where the index has it")
    # Other names of a tensor that is known are not in every index.
    known = {id(tree[name]) for name in names}
    for name, value in tree.items():
        where = index.names.get(name) if isinstance(name, str) else None
        if where is not None and name not in names:
            raise shard.error(name, f"is in this shard, and the index has it in {where}")
        if where is None and id(value) not in known:
            raise shard.error(name_text(name), "is in this shard and not in the index")
