"""Files made by hand around a pickle, and the opcodes of tensors in it."""

import pickle
import struct

from hostile_pickles import number, text
from mutate_zip import STORED, Entry, write

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def entries(tree, storages=(), method=STORED, more=()):
    """The entries of a file of ``torch.save``; ``tree`` is the pickle, storages are bytes."""
    return [
        Entry(b"archive/data.pkl", tree, method),
        Entry(b"archive/byteorder", b"little"),
        *(Entry(b"archive/data/%d" % i, data, method) for i, data in enumerate(storages)),
        Entry(b"archive/version", b"3\n"),
        *more,
    ]


def torch_zip(tree, storages=(), method=STORED, **around):
    return write(entries(tree, storages, method), **around)


def legacy(tree, storages=(), keys=None, itemsize=4, counts=None):
    """A file of ``torch.save`` before 1.6."""
    made = b"".join(pickle.dumps(each, 2) for each in (MAGIC, 1001, SYSTEM)) + tree
    names = [str(index) for index in range(len(storages))]
    made += pickle.dumps(names if keys is None else keys, 2)
    for index, data in enumerate(storages):
        count = len(data) // itemsize if counts is None else counts[index]
        made += struct.pack("<q", count) + data
    return made


def sequence(numbers):
    """Opcodes of a tuple of integers."""
    return b"(" + b"".join(map(number, numbers)) + b"t"


def storage(numel, key="0", kind="FloatStorage", view=b""):
    """Opcodes of a storage, by its persistent id."""
    start = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key)
    return start + text("cpu") + number(numel) + view + b"tQ"


def tensor(shape, strides, offset=0, numel=None, **options):
    """Opcodes of a tensor; what is given as bytes stands there as it is."""
    made = b"ctorch._utils\n_rebuild_tensor_v2\n("
    made += storage(64 if numel is None else numel, **options)
    made += offset if isinstance(offset, bytes) else number(offset)
    for numbers in (shape, strides):
        made += numbers if isinstance(numbers, bytes) else sequence(numbers)
    return made + b"\x89}tR"


def mapping(items):
    """Opcodes of a dict; the values are opcodes."""
    return b"}(" + b"".join(text(key) + value for key, value in items) + b"u"


def state_dict(hidden=2, inputs=3, layer="_l0", weight=None):
    """The items of an LSTM's state_dict whose weights are views of one storage of 64 floats."""
    weight = weight or (
        lambda shape: tensor(shape, (shape[1], 1)[: len(shape)] if len(shape) > 1 else (1,))
    )
    rows = 4 * hidden
    shapes = {
        "weight_ih": (rows, inputs),
        "weight_hh": (rows, hidden),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }
    return [(name + layer, weight(shape)) for name, shape in shapes.items()]


def program(opcodes):
    """A pickle of protocol 2."""
    return b"\x80\2" + opcodes + b"."
