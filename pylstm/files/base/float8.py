"""The 8-bit floats of torch and safetensors, widened to float32 by tables."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# Bits of the exponent and its bias. "fn": finite, one NaN of each sign; "uz": unsigned zero, and
# the only NaN is where -0 would be. Micikevicius et al., https://arxiv.org/abs/2209.05433
_FORMATS = {
    "float8_e5m2": (5, 15),
    "float8_e4m3fn": (4, 7),
    "float8_e5m2fnuz": (5, 16),
    "float8_e4m3fnuz": (4, 8),
}
FLOAT8 = (*_FORMATS, "float8_e8m0fnu")


def widen(name: str, raw: Array) -> Array:
    """Return the float32 values of bytes."""
    return _table(name)[raw]


@cache
def _table(name: str) -> Array:
    codes = np.arange(256)
    if name == "float8_e8m0fnu":  # a bare exponent
        values = np.ldexp(1.0, codes - 127)
        values[0xFF] = np.nan
        return values.astype(np.float32)
    exponent_bits, bias = _FORMATS[name]
    mantissa_bits = 7 - exponent_bits
    mantissa = codes % 2**mantissa_bits
    exponent = codes % 128 >> mantissa_bits
    normal = exponent > 0
    values = np.ldexp(
        mantissa + normal * 2.0**mantissa_bits, np.where(normal, exponent, 1) - bias - mantissa_bits
    )
    values = np.where(codes < 128, values, -values)
    if name.endswith("uz"):
        values[0x80] = np.nan
    elif name.endswith("fn"):
        values[[0x7F, 0xFF]] = np.nan
    else:
        special = np.where(mantissa > 0, np.nan, np.copysign(np.inf, values))
        values = np.where(exponent == 2**exponent_bits - 1, special, values)
    return values.astype(np.float32)
