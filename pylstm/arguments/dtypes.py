"""How callers may spell a dtype or a device, and what they hear when pylstm has neither."""

from __future__ import annotations

from typing import Any

import numpy as np

from .naming import type_name

# Widths in bytes that modules compute in.
_WIDTHS = {4: "float32", 8: "float64"}

_OFFER = "pylstm computes in float32 (the default) or float64"

# Words that start a device string; anything else in a string may be a dtype.
_DEVICES = frozenset(
    {
        "cpu",
        "cuda",
        "ipu",
        "xpu",
        "mkldnn",
        "opengl",
        "opencl",
        "ideep",
        "hip",
        "ve",
        "fpga",
        "maia",
        "xla",
        "lazy",
        "vulkan",
        "mps",
        "meta",
        "hpu",
        "mtia",
        "privateuseone",
    }
)

# NumPy kinds and torch names of what torch refuses as the dtype of a parameter.
_WHOLE_NUMBERS = ("b", "i", "u")
_WHOLE_NUMBER_NAMES = ("bool", "int", "uint", "long", "short")

# Names of torch's tensor classes, which Module.type takes.
_TENSOR_TYPES = {
    "torch.FloatTensor": "float32",
    "torch.DoubleTensor": "float64",
    "torch.HalfTensor": "float16",
    "torch.BFloat16Tensor": "torch.bfloat16",
    "torch.LongTensor": "int64",
    "torch.IntTensor": "int32",
    "torch.ShortTensor": "int16",
    "torch.CharTensor": "int8",
    "torch.ByteTensor": "uint8",
    "torch.BoolTensor": "bool",
}


def _parse(dtype: Any) -> tuple[str, str]:
    """Return a dtype's name and its NumPy kind; the kind of a foreign float is "f"."""
    text = str(dtype)
    if text.startswith("torch."):
        name = text.removeprefix("torch.")
        if name.startswith(_WHOLE_NUMBER_NAMES):
            return text, "i"
        if name in _WIDTHS.values():
            return name, "f"
        return text, "c" if name.startswith("complex") else "f"
    try:
        parsed = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"dtype must be a dtype, not {type_name(dtype)}: {_OFFER}") from error
    if parsed.kind == "f":
        return _WIDTHS.get(parsed.itemsize, parsed.name), "f"
    return parsed.name, parsed.kind


def _require_offered(name: str) -> str:
    if name not in _WIDTHS.values():
        raise TypeError(f"dtype {name} is not offered: {_OFFER}")
    return name


def construction_dtype(dtype: Any) -> str:
    """Return ``"float32"`` or ``"float64"`` for the ``dtype`` argument of a constructor.

    Raises
    ------
    RuntimeError
        For whole numbers and bool, as torch does.
    TypeError
        For everything else that is not float32 or float64.
    """
    if dtype is None:
        return "float32"
    name, kind = _parse(dtype)
    if kind in _WHOLE_NUMBERS:
        raise RuntimeError(
            "Only Tensors of floating point and complex dtype can require gradients: "
            f"got dtype {name}, and {_OFFER}"
        )
    return _require_offered(name)


def conversion_dtype(dtype: Any) -> str:
    """Return ``"float32"`` or ``"float64"`` for the dtype that ``Module.to`` was given."""
    name, kind = _parse(dtype)
    if kind in _WHOLE_NUMBERS:
        raise TypeError(
            "nn.Module.to only accepts floating point or complex dtypes, "
            f"but got desired dtype={name}: {_OFFER}"
        )
    return _require_offered(name)


def tensor_type_dtype(dtype: Any) -> str:
    """Return the dtype for ``Module.type``, which also takes names such as torch.DoubleTensor."""
    if isinstance(dtype, str):
        dtype = _TENSOR_TYPES.get(dtype, dtype)
    try:
        name, kind = _parse(dtype)
    except TypeError:
        if isinstance(dtype, str):
            raise ValueError(f"invalid type: {dtype!r}: {_OFFER}") from None
        raise TypeError(
            f"dtype must be a type, str, or dtype object, not {type_name(dtype)}: {_OFFER}"
        ) from None
    if kind in _WHOLE_NUMBERS:
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype: "
            f"got {name}, and {_OFFER}"
        )
    return _require_offered(name)


def _is_device(value: Any) -> bool:
    """Tell device objects, numbers and strings from everything else."""
    if isinstance(value, str):
        return value.partition(":")[0] in _DEVICES
    if isinstance(value, int):
        return not isinstance(value, bool)
    return type(value).__name__ == "device"


def check_device(device: Any) -> None:
    """Accept ``None`` and the CPU.

    Raises
    ------
    RuntimeError
        For any other device.
    TypeError
        For what cannot be a device.
    """
    if device is None or str(device) in ("cpu", "cpu:0"):
        return
    if isinstance(device, str) or _is_device(device):
        raise RuntimeError(
            f"device {str(device)!r} is not offered: pylstm computes on the CPU, "
            "on NumPy arrays; leave device out or pass 'cpu'"
        )
    raise TypeError(f"device must be None or 'cpu', not {type_name(device)}")


def _is_dtype(value: Any) -> bool:
    """Tell the spellings of dtypes from everything else; lists and dicts spell records only."""
    if str(value).startswith("torch."):
        return True
    try:
        return np.dtype(value).names is None and not isinstance(value, (list, dict, tuple))
    except (TypeError, ValueError):
        return False


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, type)


def _wrong_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    given = [type_name(value) for value in args]
    given += [f"{key}={type_name(value)}, " for key, value in kwargs.items()]
    return TypeError(
        f"to() received an invalid combination of arguments - got ({', '.join(given)}), "
        "but expected (device, dtype), (dtype) or (array): to(np.float64), to('cpu', np.float64)"
    )


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Return the dtype that the arguments of ``Module.to`` ask for, None for "leave it".

    torch's three forms are taken: ``to(device, dtype)``, ``to(dtype)`` and ``to(array)``, each
    followed by ``non_blocking`` and ``copy``, which change nothing here.
    """
    named = dict(kwargs)
    for ignored in ("non_blocking", "copy", "memory_format"):
        named.pop(ignored, None)
    device, dtype = named.pop("device", None), named.pop("dtype", None)
    first = named.pop("tensor", named.pop("other", None))
    tail = args
    if args and first is None:
        first, tail = args[0], args[1:]
    if first is None or _is_device(first):
        device = first if first is not None else device
        if tail and not isinstance(tail[0], bool):
            if dtype is not None:
                raise _wrong_to(args, kwargs)
            dtype, tail = tail[0], tail[1:]
    elif _is_array(first):
        check_device(getattr(first, "device", None))
        dtype = first.dtype
    elif isinstance(first, (bool, float)) or dtype is not None:
        raise _wrong_to(args, kwargs)
    else:
        dtype = first
    if named or len(tail) > 2 or not all(isinstance(flag, bool) for flag in tail):
        raise _wrong_to(args, kwargs)
    check_device(device)
    if dtype is first and first is not None and not _is_dtype(first):
        if not isinstance(first, str):
            raise _wrong_to(args, kwargs)
        raise RuntimeError(
            f"Invalid device string: {first!r}: it names no dtype either; {_OFFER}, on the CPU"
        )
    return None if dtype is None else conversion_dtype(dtype)
