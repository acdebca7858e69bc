"""``compare_weights``: a float32 module beside its copy with smaller weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

import pylstm

from .._core import Layer, as_array
from ..arguments.naming import type_name
from ..files.write.save import described
from ..files.write.writers import write_safetensors

if TYPE_CHECKING:
    from .reference import Array, Module

SEED, STEPS, BATCH = 0, 100, 4

# Both are timed for so many rounds at least, and for so long; a round repeats what is shorter than
# the last of these.
_LEAST_ROUNDS, _SECONDS, _ROUND = 3, 0.5, 1e-4

_MOST_SCORES = 1 << 22  # of a head, at a time


@dataclass(frozen=True)
class WeightsComparison:
    """How a module with smaller weights does beside the float32 module that it was made of.

    Attributes
    ----------
    weights : str
        The storage of the smaller weights.
    size : float
        Root mean square of the float32 module's output: of h at every step of the last layer.
    rms : float
        Root mean square of the difference of the two outputs.
    largest : float
        The largest difference of an element.
    not_finite : int
        How many elements are infinite or NaN in one of the outputs, or in both; no figure counts
        them.
    decisions : int
        How many decisions a head makes: one for each step of each sequence. 0 without a head.
    changed : int
        How many of them are another class with the smaller weights.
    nbytes : tuple of int
        Bytes of the parameters of the float32 module and of the smaller one, scales included; the
        packed copies that calls make are not.
    file_nbytes : tuple of int
        Bytes of their safetensors files.
    seconds : tuple of float
        The least time of a call of each, measured in rounds in which each has its call.
    rounds : int
        How many rounds there were.
    """

    weights: str
    size: float
    rms: float
    largest: float
    not_finite: int
    decisions: int
    changed: int
    nbytes: tuple[int, int]
    file_nbytes: tuple[int, int]
    seconds: tuple[float, float]
    rounds: int

    @property
    def relative(self) -> float:
        """The error of root mean square over the size of the output."""
        return self.rms / self.size if self.size else (0.0 if self.rms == 0 else np.inf)

    @property
    def speed(self) -> float:
        """The float32 module's time over the smaller one's."""
        return self.seconds[0] / self.seconds[1]


def compare_weights(
    module: Module, weights: str, input: Any = None, hx: Any = None, *, head: Any = None
) -> WeightsComparison:
    """Run a float32 module and its copy with smaller weights side by side.

    Parameters
    ----------
    module : LSTM, GRU, RNN, LSTMCell, GRUCell or RNNCell
        Stays as it is.
    weights : str
        As :func:`pylstm.compress` takes it.
    input : array_like, optional
        As a call of a layer takes it; of a cell (L, N, I) or (L, I), which the cell walks through.
        Without it 100 steps of 4 sequences of standard normal random numbers.
    hx : array_like or tuple of array_like, optional
        Initial states, as the module takes them.
    head : array_like, pair of array_like, or object with ``weight`` and ``bias``, optional
        A Linear that takes the output: its weight (classes, features), and its bias (classes,) or
        None. Its largest result at each step is the decision of that step.

    Returns
    -------
    WeightsComparison

    Raises
    ------
    TypeError
        If ``module`` is no recurrent layer or cell of pylstm.
    ValueError
        If the storage cannot hold the weights, the module is no float32 one, would draw dropout
        masks, or the head does not fit.

    Examples
    --------
    >>> import pylstm
    >>> from pylstm.cli.compare import compare_weights
    >>> found = compare_weights(pylstm.LSTM(8, 64), "int8")
    >>> 0 < found.rms < found.largest < 0.02
    True
    """
    _check_module(module)
    small = pylstm.compress(module, weights)
    x = random_input(module) if input is None else as_array(input, "input", "float32")
    run, run_small = runner(module, x, hx), runner(small, x, hx)
    output, other = run(), run_small()
    if not output.size:
        raise ValueError(f"input has shape {x.shape}: there is no output to compare")
    scores = None if head is None else linear_of(head, output.shape[-1])
    changed = 0 if scores is None else _count_changed(output, other, *scores)
    decisions = 0 if scores is None else output.size // output.shape[-1]
    seconds, rounds = least_seconds(run, run_small)
    nbytes, file_nbytes = zip(nbytes_of(module), nbytes_of(small), strict=True)
    return WeightsComparison(
        weights,
        *_errors(output, other),
        decisions,
        changed,
        nbytes,
        file_nbytes,
        seconds,
        rounds,
    )


def random_input(module: Module, seed: int = SEED, steps: int = STEPS, batch: int = BATCH) -> Array:
    """Return standard normal numbers, (L, N, I) or as ``batch_first`` has it, from a seed."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((steps, batch, module.input_size), dtype=np.float32)
    return x.swapaxes(0, 1).copy() if getattr(module, "batch_first", False) else x


def _check_module(module: Any) -> None:
    """Raise if a module is none that can be compared."""
    if not isinstance(module, Layer):
        raise TypeError(
            f"module must be a recurrent layer or cell of pylstm, got {type_name(module)}"
        )
    storage = getattr(module, "weights", None)
    if storage is not None:
        raise ValueError(
            f"module has weights of {storage} already: pass the float32 module that it was made of"
        )
    if module.training and getattr(module, "dropout", False):
        raise ValueError(
            "module would draw dropout masks, other ones for each call: call module.eval() first"
        )


def runner(module: Module, x: Array, hx: Any) -> Callable[[], Array]:
    """Return what runs a module over all steps, and returns h of each."""
    if hasattr(module, "num_layers"):
        return lambda: cast("Array", module(x, hx)[0])

    def walk() -> Array:
        present, outputs = hx, []
        for step in x:
            present = module(step, present)
            outputs.append(present[0] if isinstance(present, tuple) else present)
        return np.stack(outputs) if outputs else np.empty(0, np.float32)

    return walk


def _errors(output: Array, other: Array) -> tuple[float, float, float, int]:
    """Return the size of the output, the two errors, and how many elements are left out."""
    is_finite = np.isfinite(output) & np.isfinite(other)
    a, b = (array[is_finite].astype(np.float64) for array in (output, other))
    left_out = int(is_finite.size - len(a))
    if not len(a):
        return np.nan, np.nan, np.nan, left_out
    difference = np.abs(b - a)
    size, rms = (float(np.sqrt(np.mean(array**2))) for array in (a, difference))
    return size, rms, float(difference.max()), left_out


def linear_of(head: Any, features: int) -> tuple[Array, Array | None]:
    """Return the weight and the bias of a head in float32; raise if it takes other features."""
    bias = None
    if hasattr(head, "weight"):
        head, bias = head.weight, getattr(head, "bias", None)
    elif isinstance(head, (tuple, list)) and len(head) == 2:
        head, bias = head
    weight = as_array(head, "head", "float32")
    if weight.ndim != 2 or weight.shape[1] != features or not len(weight):
        raise ValueError(
            f"head has a weight of shape {weight.shape}, and the output has {features} features: "
            f"expected (classes, {features}), as that of a Linear"
        )
    if bias is None:
        return weight, None
    bias = as_array(bias, "head's bias", "float32")
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"head has a bias of shape {bias.shape}, expected {weight.shape[:1]}")
    return weight, bias


def _count_changed(output: Array, other: Array, weight: Array, bias: Array | None) -> int:
    """Return at how many steps the largest result of a head is another one."""
    rows = [array.reshape(-1, array.shape[-1]) for array in (output, other)]
    each, changed = max(1, _MOST_SCORES // len(weight)), 0
    for start in range(0, len(rows[0]), each):
        chosen = []
        for array in rows:
            scores = array[start : start + each] @ weight.T
            chosen.append((scores if bias is None else scores + bias).argmax(axis=1))
        changed += int(np.count_nonzero(chosen[0] != chosen[1]))
    return changed


def nbytes_of(module: Module) -> tuple[int, int]:
    """Return the bytes of a module's parameters as stored, and of their safetensors file."""
    # Not those of the state_dict: it has bfloat16 as the float32 of the same value.
    leaves, known = described(module.state_dict())
    counter = _Counter()
    write_safetensors(cast("BinaryIO", counter), leaves, lambda count: None, known.metadata())
    return sum(leaf.nbytes for leaf in leaves), counter.count


class _Counter:
    """A file that keeps nothing but its length."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: Any) -> int:
        """Count bytes."""
        self.count += (length := memoryview(data).nbytes)
        return length


def least_seconds(
    run: Callable[[], object], other: Callable[[], object]
) -> tuple[tuple[float, float], int]:
    """Return the least time of a call of each, and how many rounds of both there were."""
    runs = run, other
    counts = []
    for each in runs:
        begin = time.perf_counter()
        each()
        counts.append(max(1, int(_ROUND / max(time.perf_counter() - begin, 1e-9))))
    least, rounds = [np.inf, np.inf], 0
    end = time.perf_counter() + _SECONDS
    while rounds < _LEAST_ROUNDS or time.perf_counter() < end:
        for index, (each, count) in enumerate(zip(runs, counts, strict=True)):
            begin = time.perf_counter()
            for _ in range(count):
                each()
            least[index] = min(least[index], (time.perf_counter() - begin) / count)
        rounds += 1
    return (least[0], least[1]), rounds
