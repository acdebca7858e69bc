"""Trees as the readers of weight files make them, for tests that need no file."""

import numpy as np

from pylstm.files.base.record import Record
from pylstm.files.base.source import Segment, Source
from pylstm.files.base.tensor import Storage, Tensor
from pylstm.files.base.walk import walk
from pylstm.weights.survey import survey


class Counted:
    """A binary file object that counts the bytes that are read from it."""

    def __init__(self, file):
        self.file = file
        self.total = 0
        self.name = "counted"

    def seek(self, offset, whence=0):
        return self.file.seek(offset, whence)

    def tell(self):
        return self.file.tell()

    def read(self, size=-1):
        data = self.file.read(size)
        self.total += len(data)
        return data

    def readinto(self, buffer):
        count = self.file.readinto(buffer)
        self.total += count
        return count


def storage(content, dtype="float32"):
    """A storage of raw bytes."""
    source = Source("<test>", memoryview(content))
    return Storage("<test>", Segment(source, 0, len(content), "data/0"), dtype)


def lazy(array, dtype=None):
    """A tensor that has not been read, alone in its storage."""
    array = np.ascontiguousarray(array)
    return Tensor(storage(array.tobytes(), dtype or array.dtype.name), array.shape)


def lazy_all(mapping):
    return {name: lazy(value) for name, value in mapping.items()}


def whole_module(class_name, parameters=(), modules=(), **attributes):
    """The record of a pickled torch module."""
    state = {
        "training": True,
        "_parameters": dict(parameters),
        "_buffers": {},
        "_non_persistent_buffers_set": set(),
        "_modules": dict(modules),
        **attributes,
    }
    return Record(class_name, state=state)


def arrays_by_path(tree):
    """All arrays of a tree by their dotted paths."""
    return {
        place.path(str(name)): value
        for place, name, value in walk(tree)
        if isinstance(value, np.ndarray)
    }


def near_miss(tree):
    """Kind and reason of the one near miss in a tree, in which nothing else is found."""
    report = survey(tree, "<test>")
    assert report.candidates == []
    [miss] = report.near_misses
    return miss.kind, miss.reason
