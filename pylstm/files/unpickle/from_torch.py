"""torch's tensors, parameters and small types, as a pickle rebuilds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.record import Record
from ..base.tensor import PLAIN_DTYPES, WIDENED_DTYPES, Storage
from .context import Context, FileBytes, Handler, Name, StorageType, segment_of
from .from_distributed import rebuilt
from .storages import StorageView

_NESTED_STEPS = 50_000  # a file within the pickle takes about 0.1 ms, however short it is
_KINDS = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    # Quantised: the integers; what they stand for is in a record of the tensor.
    "QInt8": "int8",
    "QUInt8": "uint8",
    "QInt32": "int32",
    "QUInt4x2": "uint8",
    "QUInt2x4": "uint8",
}
STORAGE_DTYPES: dict[str, str] = {
    f"torch.{device}{kind}Storage": dtype
    for device in ("", "cuda.")
    for kind, dtype in _KINDS.items()
} | {
    f"torch.{name}": "uint8"
    for name in ("UntypedStorage", "storage.UntypedStorage", "storage._UntypedStorage")
}

_DTYPES = """float64 float32 float16 bfloat16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool
complex128 complex64 complex32 qint8 quint8 qint32 quint4x2 quint2x4 float8_e4m3fn float8_e5m2
float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2"""
# What a tree shows as strings.
TEXTS = frozenset(f"torch.{name}" for name in _DTYPES.split())


@dataclass(frozen=True)
class StorageId:
    """What a pickle says about a storage whose bytes are elsewhere in the file.

    Parameters
    ----------
    dtype : str
    key : str
        The name that it has in the file.
    numel : int
        Number of elements, not negative.
    view : tuple of (int, int) or None
        Offset and number of elements if it is a part of the storage; files before torch 1.6 only.
    """

    dtype: str
    key: str
    numel: int
    view: tuple[int, int] | None = None


def storage_id(persistent_id: Any) -> StorageId | None:
    """Return what a persistent id says about a storage; None if it is none of torch's forms."""
    match persistent_id:
        case (
            str("storage"),
            StorageType() as kind,
            str() as key,
            str() | None,
            int() as numel,
            *view,
        ):
            pass
        case _:
            return None
    if not 0 <= numel < 2**62:
        return None
    match view:
        case [] | [None]:
            return StorageId(kind.dtype, key, numel)
        case [(str(), int() as offset, int() as size)]:
            if 0 <= offset <= numel and 0 <= size <= numel - offset:
                return StorageId(kind.dtype, key, numel, (offset, size))
    return None


def _tensor(context: Context, args: tuple[Any, ...]) -> Any:
    """Return what ``_rebuild_tensor`` and ``_rebuild_tensor_v2`` do."""
    match args:
        case (storage, int() as offset, tuple() | list() as shape, tuple() | list() as strides, *_):
            metadata = args[6] if len(args) > 6 else None
            return _view(context, storage, offset, tuple(shape), tuple(strides), metadata)
    return context.fail("a tensor of unknown arguments")


def _tensor_v3(context: Context, args: tuple[Any, ...]) -> Any:
    """Return the like of ``_rebuild_tensor_v2`` for an untyped storage and a dtype."""
    match args:
        case (Storage() as storage, int() as offset, tuple() as shape, tuple() as strides, *tail):
            match tail:
                case (_, _, str() as name, *metadata):
                    dtype = name.removeprefix("torch.")
                    if dtype not in PLAIN_DTYPES and dtype not in WIDENED_DTYPES:
                        return Record("torch._utils._rebuild_tensor_v3", args)
                    storage = _retyped(context, storage, dtype)
                    return _view(context, storage, offset, shape, strides, *metadata[:1])
    return context.fail("a tensor of unknown arguments")


def _retyped(context: Context, storage: Storage, dtype: str) -> Storage:
    if storage.dtype == dtype:
        return storage
    known = context.retyped.get((storage, dtype))
    if known is None:
        known = Storage(storage.file, storage.content, dtype, storage.byteorder)
        context.retyped[storage, dtype] = known
    return known


def _view(
    context: Context,
    storage: Any,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    metadata: Any = None,
) -> Any:
    if isinstance(storage, StorageView):
        # Checked against the whole storage: that is what the file has the bytes of.
        storage, offset = storage.storage, storage.offset + offset
    if not isinstance(storage, Storage):
        context.fail(f"a tensor of a {type(storage).__name__} instead of a storage")
    later = metadata if type(metadata) is dict else {}
    kind = storage.numpy_dtype.kind
    conjugate = later.get("conj") is True and kind == "c"
    negate = later.get("neg") is True and kind in "fc"
    return context.tensor(storage, shape, strides, offset, conjugate=conjugate, negate=negate)


def _load_storage(context: Context, args: tuple[Any, ...]) -> Any:
    """Return the storage of a tensor that was pickled without ``torch.save``."""
    match args:
        case (bytes() | FileBytes() as data,) if context.load_storage is not None:
            context.work(_NESTED_STEPS)
            known = data.storage if isinstance(data, FileBytes) else None
            if known is None:
                known = context.load_storage(segment_of(context, data))
            if isinstance(data, FileBytes):
                data.storage = known
            context.has_storages = True
            return known
    return Record("torch.storage._load_from_bytes", args)


def _first(context: Context, args: tuple[Any, ...]) -> Any:
    """Return the tensor of a parameter, or of a device."""
    return args[0] if args else context.fail("a tensor without its data")


def _parameter(context: Context, args: tuple[Any, ...]) -> Any:
    """Return the tensor of a parameter as torch's first versions wrote it."""
    if args and not isinstance(args[0], Record):
        return args[0]
    return Record("torch.nn.parameter.Parameter", args)


def _from_type(context: Context, args: tuple[Any, ...]) -> Any:
    """Return a tensor of a subclass or with attributes, by the function that rebuilds it."""
    match args:
        case (Name() as function, cls, tuple() as inner, *state):
            if function.class_name == "torch._utils._rebuild_wrapper_subclass" and state:
                made = rebuilt(context, getattr(cls, "class_name", ""), inner, state[0])
                if made is not None:
                    return made
            if function.handler is not _from_type:
                return context.call(function, inner)
    return Record("torch._tensor._rebuild_from_type_v2", args)


def _size(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case ():
            return ()
        case (tuple() | list() as sizes,):
            context.spend(8 * len(sizes))
            return tuple(sizes)
    return context.fail("a torch.Size of unknown arguments")


def _device(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case (str() as kind,) if len(kind) < 100:
            return kind
        case (str() as kind, int() as index) if len(kind) < 100 and 0 <= index < 2**31:
            return f"{kind}:{index}"
    return context.fail("a torch.device of unknown arguments")


def _layout(context: Context, args: tuple[Any, ...]) -> Any:
    match args:
        case (str() as name,):
            return name
    return context.fail("a layout of unknown arguments")


HANDLERS: dict[str, Handler] = {
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.tensor._rebuild_from_type": _from_type,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
    "torch.autograd.variable.Variable": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.nn.Parameter": _parameter,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.storage._load_from_bytes": _load_storage,
    "torch.serialization._get_layout": _layout,
    # TorchScript's typed lists, and values with their type beside them.
    "torch.jit._pickle.build_boollist": _first,
    "torch.jit._pickle.build_doublelist": _first,
    "torch.jit._pickle.build_intlist": _first,
    "torch.jit._pickle.build_tensorlist": _first,
    "torch.jit._pickle.restore_type_tag": _first,
}
