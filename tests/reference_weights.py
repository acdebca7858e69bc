"""The oracle of smaller weights: every storage, in exact integers and float32 as ARCHITECTURE says.

Nothing here imports pylstm. Products of integers are summed in float64, which holds each sum exactly,
since it is below 2**53. What is rounded to float32 is rounded once; `exact_float32` has all other
arithmetic.

The contract of int8, int8-fast and int16, for a row of a part:

    q_w = rint(w / scale_w), scale_w = max|w| / limit (int16: and its bound per 256 terms), rounded
    up where it is subnormal
    m = max|v|; A = 8191, or 127 where values have one byte
    rows that may not pass 1, with m <= 1:  scale_v = 1 / A, q_v = rint(v A)
    other rows: scale_v = m / A, q_v = rint(v (A / m)), 0 where m is 0; where m is below 2**-60, of
    v 2**64 and m 2**64; a row with a NaN or an infinity: scale_v is NaN, q_v is 0
    for each 2048 terms (int16: 256), ascending: total = fma(float(sum q_w q_v), scale_v scale_w, total)
"""

from dataclasses import dataclass

import exact_float32 as exact
import numpy as np

INT14 = 8191
INT8 = 127


@dataclass(frozen=True)
class Storage:
    """What differs between storages: the most of a weight, of a value of x and of h, terms of a sum."""

    limit: int
    reach_x: int
    reach_h: int
    terms: int


INTEGERS = {
    "int8": Storage(127, INT14, INT8, 2048),
    "int8-fast": Storage(127, INT8, INT8, 2048),
    "int16": Storage(32767, INT14, INT14, 256),
}
FLOATS = ("bfloat16", "float16")
STORAGES = (*INTEGERS, *FLOATS)
MOST_QUOTIENTS = (2**31 - 1) / INT14 - 256


def quantise_weights(w, name):
    """Integers [rows, K] and scales [rows] of float32 weights; none is beyond 3.4e38."""
    storage = INTEGERS[name]
    scales = np.zeros(len(w), np.float32)
    integers = np.zeros(w.shape)
    for row, values in enumerate(w):
        sizes = np.abs(values.astype(np.float64))
        scale = scale_at_least(sizes.max(initial=0) / storage.limit)
        for start in range(0, len(values) if name == "int16" else 0, storage.terms):
            total = sum(sizes[start : start + storage.terms].tolist())  # one after the other
            scale = max(scale, scale_at_least(total / MOST_QUOTIENTS))
        scales[row] = scale
        if scale > 0:
            integers[row] = np.rint(values / scale) + 0.0  # an integer has no -0
    return integers, scales


def scale_at_least(exact):
    """float64 rounded to float32: to the nearest, or up to the next subnormal."""
    if exact < 2.0**-126:
        return np.float32(np.ldexp(np.ceil(np.ldexp(exact, 149)), -149))
    return np.float32(exact)


def quantise_values(v, reach, is_bounded):
    """Integers [n, K] and scales [n] of rows of x or h; each is a function of its row alone."""
    scales = np.zeros(len(v), np.float32)
    integers = np.zeros(v.shape)
    reach = np.float32(reach)
    for row, values in enumerate(v):
        if not np.isfinite(values).all():
            scales[row] = np.nan
            continue
        most = np.float32(np.abs(values).max(initial=0))
        if is_bounded and most <= 1:
            scales[row] = np.float32(1) / reach
            integers[row] = np.rint(values * reach)
        elif most > 0:
            up = np.float32(2.0**64 if most < 2.0**-60 else 1.0)
            scales[row] = most / reach
            integers[row] = np.rint((values * up) * (reach / (most * up)))
    return integers, scales


def widened(parameters, name):
    """The float32 parameters that stored weights stand for; biases and peepholes stay."""
    made = {}
    for key, value in parameters.items():
        value = np.asarray(value, np.float32)
        if value.ndim != 2:
            made[key] = value
        elif name in INTEGERS:
            integers, scales = quantise_weights(value, name)
            made[key] = integers.astype(np.float32) * scales[:, None]
        elif name == "float16":
            made[key] = value.astype(np.float16).astype(np.float32)
        else:
            made[key] = to_bfloat16(value)
    return made


def to_bfloat16(values):
    """float32 rounded to eight digits, ties to even."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        made = np.array(values, np.float64)
    finite = np.isfinite(made) & (made != 0)
    _, exponents = np.frexp(made[finite])
    # Subnormal numbers are multiples of 2**-133.
    exponents = np.maximum(exponents - 8, -133)
    made[finite] = np.ldexp(np.rint(np.ldexp(made[finite], -exponents)), exponents)
    return made.astype(np.float32)


class Integers:
    """Products of quantised weights and quantised values, for one direction of one layer."""

    def __init__(self, weights, *, storage, is_bounded, is_first):
        self._storage = INTEGERS[storage]
        self._weights = {
            name: quantise_weights(value, storage)
            for name, value in weights.items()
            if value.ndim == 2
        }
        is_projected = "weight_hr" in weights
        self._bounded_x = is_bounded and not is_first and not is_projected
        self._bounded_h = is_bounded and not is_projected
        self._bounded_hidden = is_bounded

    def x(self, total, name, v):
        return self._add(total, name, v, self._storage.reach_x, self._bounded_x)

    def h(self, total, name, v):
        return self._add(total, name, v, self._storage.reach_h, self._bounded_h)

    def hidden(self, total, name, v):
        return self._add(total, name, v, self._storage.reach_h, self._bounded_hidden)

    def _add(self, total, name, v, reach, is_bounded):
        weights, scales_w = self._weights[name]
        with np.errstate(all="ignore"):
            values, scales_v = quantise_values(v, reach, is_bounded)
            scale = scales_v[:, None] * scales_w
            for start in range(0, weights.shape[1], self._storage.terms):
                part = slice(start, start + self._storage.terms)
                sums = values[:, part] @ weights[:, part].T  # exact: below 2**53
                assert np.abs(sums).max(initial=0) < 2**31
                total = exact.fma(sums.astype(np.float32), scale, total)
        return total


def layer(kind, parameters, x, hx=None, *, weights, **options):
    """`exact_float32.layer` of a module that is compressed to the storage `weights`."""
    if weights in FLOATS:
        return exact.layer(kind, widened(parameters, weights), x, hx, **options)

    def products(own, **told):
        return Integers(own, storage=weights, **told)

    return exact.layer(kind, parameters, x, hx, products=products, **options)
