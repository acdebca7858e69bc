"""The cases of the numeric contract: a module, an input, and the hash of what comes out.

All numbers are made here from integers, so that they are the same on every machine and with
every version of NumPy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..weights.kinds import GRU, LSTM, RNN

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# The scale of "special" values is 1; infinities, NaN and -0 are put among them.
INPUTS = ("ordinary", "huge", "tiny", "subnormal", "special")

# What the calls of a case have inside their sequences.
WITHIN = ("lengths", "reset", "trace")

# What the weights of a module are compressed to.
STORAGES = ("int8", "int8-fast", "int16", "bfloat16", "float16")

# By the mode of a layer. A case whose name names none of them is of the first.
LAYERS = {"LSTM": LSTM, "GRU": GRU, "RNN_TANH": RNN, "RNN_RELU": RNN}
_FIRST = "LSTM"

_NAME = re.compile(
    rf"(?:(?P<layer>{'|'.join(LAYERS)})-)?"
    r"(?P<input_size>\d+)-(?P<hidden_size>\d+)-(?P<dtype>\w+)-layers(?P<num_layers>\d+)"
    r"(?P<bidirectional>-bidirectional)?(?:-proj(?P<proj_size>\d+))?(?P<bias>-bias)?"
    rf"-(?P<inputs>{'|'.join(INPUTS)})(?P<infinite_weight>-infinite)?"
    rf"(?:-(?P<within>{'|'.join(WITHIN)}))?(?:-(?P<weights>{'|'.join(STORAGES)}))?"
)
_LINEAR = re.compile(rf"Linear-(\d+)-(\d+)-(\w+?)((?:-bias)?)-({'|'.join(INPUTS)})")
_CONV = re.compile(
    r"Conv1d-(?P<in_channels>\d+)-(?P<out_channels>\d+)-kernel(?P<kernel_size>\d+)"
    r"-stride(?P<stride>\d+)-dilation(?P<dilation>\d+)-groups(?P<groups>\d+)"
    rf"-padding(?P<padding>\d+)-(?P<dtype>\w+?)(?P<bias>-bias)?-(?P<inputs>{'|'.join(INPUTS)})"
)
_ACTIVATIONS = re.compile(rf"(?:(?P<layer>{'|'.join(LAYERS)})-)?activations-(?P<dtype>\w+)")


@dataclass(frozen=True)
class Case:
    """One module and one input; ``str(case)`` is its name, ``Case.named`` the way back.

    Parameters
    ----------
    hidden_size, input_size, dtype, num_layers, bidirectional, proj_size, bias
        The module's.
    inputs : str
        The values of the input and the states: one of `INPUTS`.
    infinite_weight : bool
        Whether one recurrent weight is infinite.
    layer : str
        The mode of the module: one of `LAYERS`.
    within : str
        What the calls have inside their sequences: one of `WITHIN`, or nothing.
    weights : str
        What the weights are compressed to: one of `STORAGES`, or nothing.
    """

    hidden_size: int
    input_size: int
    dtype: str
    num_layers: int
    bidirectional: bool
    proj_size: int
    bias: bool
    inputs: str
    infinite_weight: bool = False
    layer: str = _FIRST
    within: str = ""
    weights: str = ""

    @classmethod
    def named(cls, name: str) -> Case:
        """Return the case of this name."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} does not name a case of the contract")
        numbers = ("hidden_size", "input_size", "num_layers", "proj_size")
        switches = ("bidirectional", "bias", "infinite_weight")
        fields: dict[str, Any] = {key: int(match[key] or 0) for key in numbers}
        fields |= {key: match[key] is not None for key in switches}
        fields |= {key: match[key] for key in ("dtype", "inputs")}
        fields |= {key: match[key] or "" for key in ("within", "weights")}
        return cls(**fields, layer=match["layer"] or _FIRST)

    def __str__(self) -> str:
        words = [self.layer] * (self.layer != _FIRST)
        words += [f"{self.input_size}-{self.hidden_size}", self.dtype, f"layers{self.num_layers}"]
        words += ["bidirectional"] * self.bidirectional
        words += [f"proj{self.proj_size}"] * bool(self.proj_size)
        words += ["bias"] * self.bias + [self.inputs] + ["infinite"] * self.infinite_weight
        words += [word for word in (self.within, self.weights) if word]
        return "-".join(words)

    @property
    def seed(self) -> int:
        """Of all the case's numbers."""
        return self.hidden_size * 1000 + self.input_size

    @property
    def steps(self) -> int:
        """Length of the input, enough for chunks of steps where that is cheap."""
        return 11 if self.hidden_size * self.input_size <= 5000 else 5

    def module(self, **options: Any) -> Any:
        """Return the case's layer, with constructor arguments replaced by ``options``."""
        name, kind = class_of(self.layer)
        arguments: dict[str, Any] = kind | {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bias": self.bias,
            "bidirectional": self.bidirectional,
            "dtype": self.dtype,
        }
        if LAYERS[self.layer].may_project:
            arguments["proj_size"] = self.proj_size
        layer = getattr(pylstm, name)(**(arguments | options))
        scale = 2.0 ** -round(0.5 * np.log2(self.hidden_size))
        layer.load_state_dict(
            {
                name: fractions(1000 * self.seed + index, value.shape, scale)
                for index, (name, value) in enumerate(layer.state_dict().items())
            }
        )
        if self.infinite_weight:
            layer.weight_hh_l0[0, 0] = float("inf")
        return pylstm.compress(layer, self.weights) if self.weights else layer

    def arrays(self, rows: int) -> list[Array]:
        """Return x [T, rows, I], h_0 and, of an LSTM, c_0 in the module's dtype."""
        depth = self.num_layers * (1 + self.bidirectional)
        shapes = [
            (self.steps, rows, self.input_size),
            (depth, rows, self.proj_size or self.hidden_size),
            (depth, rows, self.hidden_size),
        ]
        return [
            values(self.inputs, self.seed + index, shape, self.dtype)
            for index, shape in enumerate(shapes[: 1 + len(LAYERS[self.layer].states)])
        ]

    def lengths(self, rows: int) -> Array:
        """Return the length of each row, in no order."""
        return 1 + (self.seed + 5 * np.arange(rows)) % self.steps

    def mask(self, rows: int) -> Array:
        """Return where rows begin anew, (T, rows): a quarter of the steps."""
        return fractions(self.seed + 7, (self.steps, rows)) < -0.5

    def hash(self) -> str:
        """Run a batch with states and a single row without them; hash all results."""
        x, *hx_items = self.arrays(5 if self.hidden_size > 64 else 9)
        module, results = self.module(), []
        for rows, hx in ((x, as_hx(hx_items)), (x[:, :1], None)):
            results += self.results(module, rows, hx)
        return hash_arrays(results)

    def results(self, module: Any, x: Array, hx: Any) -> list[Array]:
        """Return all arrays of the case's calls with this input."""
        rows = x.shape[1]
        mask = self.mask(rows)
        if self.within == "trace":
            traces = module.trace(x, hx), module.trace(x, hx, reset=mask)
            return [array for trace in traces for array in arrays_of_trace(trace, self.layer)]
        ways = {"lengths": {"lengths": self.lengths(rows)}, "reset": {"reset": mask}}
        options: dict[str, Array] = ways.get(self.within, {})
        output, hx_n = module(x, hx, **options)
        return [output, *(hx_n if isinstance(hx_n, tuple) else (hx_n,))]


def arrays_of_trace(trace: Any, layer: str) -> list[Array]:
    """Return output, states, and what was traced, of a layer of one of the modes."""
    kind = LAYERS[layer]
    gates = kind.gates if len(kind.gates) > 1 else ""
    hx_n = [getattr(trace, f"{letter}_n") for letter in kind.states]
    return [trace.output, *hx_n, *(getattr(trace, name) for name in gates + kind.states)]


def class_of(mode: str) -> tuple[str, dict[str, str]]:
    """Return the name of a layer's class, and the constructor argument that chooses the mode."""
    name, _, nonlinearity = mode.partition("_")
    return name, {"nonlinearity": nonlinearity.lower()} if nonlinearity else {}


def as_hx(hx_items: list[Array]) -> Any:
    """Return states as a module takes them: a tuple where there are two."""
    return tuple(hx_items) if len(hx_items) > 1 else hx_items[0]


def hash_of(name: str) -> str:
    """Run the case of this name at the SIMD level in use; return its hash in hexadecimal."""
    match = _ACTIVATIONS.fullmatch(name)
    if match:
        return hash_arrays(activations(match["dtype"], match["layer"] or _FIRST))
    match = _LINEAR.fullmatch(name)
    if match:
        return hash_arrays(
            linear_rows(int(match[1]), int(match[2]), match[3], match[4] != "", match[5])
        )
    match = _CONV.fullmatch(name)
    if match:
        sizes = {
            key: int(text) for key, text in match.groupdict().items() if (text or "").isdigit()
        }
        return hash_arrays(
            conv_frames(sizes, match["dtype"], match["bias"] is not None, match["inputs"])
        )
    return Case.named(name).hash()


def activations(dtype: str, layer: str = _FIRST) -> list[Array]:
    """Return the states of a cell for totals from -100 to 100 in every gate, c_0 from -20 to 20."""
    gates = len(LAYERS[layer].gates)
    name, kind = class_of(layer)
    cell = getattr(pylstm, name + "Cell")(gates, 1, bias=False, dtype=dtype, **kind)
    # Weights that pass the input on to the gates.
    cell.load_state_dict({"weight_ih": np.eye(gates), "weight_hh": np.zeros((gates, 1))})
    totals = fractions(11, (20_000, gates), 16.0)
    totals[::4] *= 6.25
    totals[1::4] *= 2.0**-20
    if layer == "LSTM":
        c_0 = fractions(12, (20_000, 1), 20.0)
        return list(cell(totals, (c_0 * 0, c_0)))
    return [cell(totals, fractions(12, (20_000, 1), 1.0))]


def linear_rows(
    in_features: int, out_features: int, dtype: str, bias: bool, inputs: str
) -> list[Array]:
    """Return what a Linear makes of 9 rows, of its weights by themselves, and of one row alone."""
    module: Any = pylstm.Linear(in_features, out_features, bias, dtype=dtype)
    seed = out_features * 1000 + in_features
    _fill(module, seed)
    x = values(inputs, seed, (9, in_features), dtype)
    return [module(x), module(x[-1])]


def conv_frames(sizes: dict[str, Any], dtype: str, bias: bool, inputs: str) -> list[Array]:
    """Return what a Conv1d makes of 2 sequences of 150 steps, and of the first 9 of one of them."""
    module: Any = pylstm.Conv1d(**sizes, bias=bias, dtype=dtype)
    seed = sizes["out_channels"] * 1000 + sizes["in_channels"]
    _fill(module, seed)
    x = values(inputs, seed, (2, sizes["in_channels"], 150), dtype)
    return [module(x), module(x[1, :, :9])]


def _fill(module: Any, seed: int) -> None:
    """Give a module parameters that depend on the seed alone."""
    module.load_state_dict(
        {
            name: fractions(1000 * seed + index, value.shape)
            for index, (name, value) in enumerate(module.state_dict().items())
        }
    )


def fractions(seed: int, shape: tuple[int, ...], scale: float = 1.0) -> Array:
    """Return multiples of scale * 2**-23 in [-scale, scale), float64, from splitmix64's sequence.

    With a power of two as scale they are exact in float32, too.
    """
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    signed = (z >> np.uint64(40)).astype(np.float64) - 2.0**23
    return (signed * (2.0**-23 * scale)).reshape(shape)


def values(inputs: str, seed: int, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    """Return an array of one of `INPUTS`; "special" marks every third row from the second on."""
    limits = np.finfo(dtype)
    scale = {
        "huge": float(limits.max) / 2,
        "tiny": float(limits.tiny) * 8,
        "subnormal": float(limits.smallest_subnormal) * 64,
    }.get(inputs, 1.0)
    array = fractions(seed, shape) * scale
    if inputs == "special":
        rows = array.reshape(-1, shape[-1])
        marks = (np.inf, -np.inf, np.nan, -0.0)
        for index in range(1, len(rows), 3):
            rows[index, index % shape[-1]] = marks[index // 3 % len(marks)]
    return array.astype(dtype)


def hash_arrays(arrays: Iterable[Array]) -> str:
    """Return half of the SHA-256 of shapes and little-endian bytes, all NaNs made equal."""
    sha = hashlib.sha256()
    for number, array in enumerate(arrays):
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
        sha.update(f"{number} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:32]
