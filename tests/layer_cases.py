"""Random configurations of the layers around the recurrent ones, the same for pylstm and torch."""

import zlib
from dataclasses import dataclass, field

import numpy as np

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e30, -1e30]


@dataclass
class Case:
    layer: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    x: np.ndarray = None  # float64, or the numbers of rows
    training: bool = False
    state: dict = field(default_factory=dict)  # float64: what load_state_dict gets


def shape(rng, least, most):
    return tuple(rng.integers(1, 8, rng.integers(least, most + 1)).tolist())


def values(rng, size, special=False):
    x = rng.standard_normal(size) * rng.choice([0.1, 1.0, 4.0, 30.0])
    if special and rng.random() < 0.3 and x.size:
        flat = x.reshape(-1)
        flat[rng.integers(0, flat.size, 3)] = rng.choice(SPECIAL, 3)
    if rng.random() < 0.05:
        return x[..., :0] if x.ndim else x
    return x


def alternatives(rng, x):
    """The same numbers as another kind of array: without gaps or with."""
    kind = rng.integers(0, 4)
    if kind == 1 and x.ndim > 1:
        return np.asfortranarray(x)
    if kind == 2 and x.ndim:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if kind == 3 and x.ndim > 1:
        return np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1)
    return x


def pointwise(rng):
    return alternatives(rng, values(rng, shape(rng, 0, 4), special=True))


def _relu(rng):
    return Case("ReLU", x=pointwise(rng))


def _silu(rng):
    return Case("SiLU", x=pointwise(rng))


def _sigmoid(rng):
    return Case("Sigmoid", x=pointwise(rng))


def _tanh(rng):
    return Case("Tanh", x=pointwise(rng))


def _hardsigmoid(rng):
    return Case("Hardsigmoid", x=pointwise(rng))


def _identity(rng):
    return Case("Identity", (3,), {"unused": 1}, pointwise(rng))


def _leaky(rng):
    slope = float(rng.choice([0.01, 0.0, 0.3, -0.5, 1.5]))
    return Case("LeakyReLU", (slope,), {}, pointwise(rng))


def _elu(rng):
    return Case("ELU", (), {"alpha": float(rng.choice([1.0, 0.0, 0.3, -0.5, 1.5]))}, pointwise(rng))


def _gelu(rng):
    return Case("GELU", (), {"approximate": str(rng.choice(["none", "tanh"]))}, pointwise(rng))


def _along(layer):
    def make(rng):
        x = alternatives(rng, values(rng, shape(rng, 0, 4), special=True))
        if rng.random() < 0.2:
            x = values(rng, (*shape(rng, 0, 1), int(rng.integers(100, 2000))))
        count = max(x.ndim, 1)
        return Case(layer, (), {"dim": int(rng.integers(-count, count))}, x)

    return make


def _flatten(rng):
    x = alternatives(rng, values(rng, shape(rng, 1, 5)))
    first = int(rng.integers(0, x.ndim))
    last = int(rng.integers(first, x.ndim))
    if rng.random() < 0.5:
        first -= x.ndim
    if rng.random() < 0.5:
        last -= x.ndim
    return Case("Flatten", (first, last), {}, x)


def _dropout(rng):
    p = float(rng.choice([0.0, 0.1, 0.5, 0.9, 1.0]))
    training = bool(rng.random() < 0.3 or p in (0.0, 1.0))
    x = alternatives(rng, values(rng, shape(rng, 1, 3)))
    # Masks follow torch builds without MKL: other ones are compared in test_layers.py.
    return Case("Dropout", (p,), {}, x, training and p in (0.0, 1.0))


def _layer_norm(rng):
    front, back = shape(rng, 0, 2), shape(rng, 1, 2)
    if rng.random() < 0.3:
        back = (int(rng.integers(1, 600)),)
    affine, bias = bool(rng.random() < 0.7), bool(rng.random() < 0.7)
    state = {}
    if affine:
        state["weight"] = rng.standard_normal(back)
        if bias:
            state["bias"] = rng.standard_normal(back)
    kwargs = {"elementwise_affine": affine, "bias": bias, "eps": float(rng.choice([1e-5, 1e-2]))}
    given = back[0] if len(back) == 1 and rng.random() < 0.5 else list(back)
    x = alternatives(rng, rng.standard_normal((*front, *back)) * 3 + rng.choice([0.0, 2.0]))
    return Case("LayerNorm", (given,), kwargs, x, state=state)


def _batch_norm(rng):
    channels, rows = (int(n) for n in rng.integers(1, 9, 2))
    kwargs = {
        "eps": float(rng.choice([1e-5, 1e-2])),
        "momentum": [0.1, 0.7, None][rng.integers(0, 3)],
        "affine": bool(rng.random() < 0.7),
        "track_running_stats": bool(rng.random() < 0.8),
        "bias": bool(rng.random() < 0.8),
    }
    training = bool(rng.random() < 0.3)
    size = (rows, channels) if rng.random() < 0.5 else (rows, channels, int(rng.integers(1, 9)))
    if (training or not kwargs["track_running_stats"]) and np.prod(size) == channels:
        size = (rows + 1, *size[1:])
    state = {}
    if kwargs["affine"]:
        state["weight"] = rng.standard_normal(channels)
        if kwargs["bias"]:
            state["bias"] = rng.standard_normal(channels)
    if kwargs["track_running_stats"]:
        state["running_mean"] = rng.standard_normal(channels)
        state["running_var"] = rng.random(channels) + 0.1
        state["num_batches_tracked"] = np.array(rng.integers(0, 9))
    x = alternatives(rng, rng.standard_normal(size) * 2 + 1)
    return Case("BatchNorm1d", (channels,), kwargs, x, training, state)


def _windows(rng):
    size = int(rng.integers(1, 30))
    kernel = int(rng.integers(1, min(size, 6) + 1))
    x = values(rng, (*shape(rng, 1, 2), size), special=True)
    kwargs = {
        "ceil_mode": bool(rng.random() < 0.4),
        "padding": int(rng.integers(0, kernel // 2 + 1)),
    }
    if rng.random() < 0.6:
        kwargs["stride"] = int(rng.integers(1, 6))
    given = kernel if rng.random() < 0.7 else (kernel,)
    return size, kernel, given, kwargs, x if x.size else np.ones((2, size))


def _max_pool(rng):
    size, kernel, given, kwargs, x = _windows(rng)
    room = (size - 1 + 2 * kwargs["padding"]) // max(kernel - 1, 1)
    kwargs["dilation"] = int(rng.integers(1, max(min(room, 4), 1) + 1))
    kwargs["return_indices"] = bool(rng.random() < 0.3)
    return Case("MaxPool1d", (given,), kwargs, alternatives(rng, x))


def _avg_pool(rng):
    _, _, given, kwargs, x = _windows(rng)
    kwargs["count_include_pad"] = bool(rng.random() < 0.5)
    return Case("AvgPool1d", (given,), kwargs, alternatives(rng, x))


def _embedding(rng):
    rows, width = int(rng.integers(1, 50)), int(rng.integers(0, 9))
    kwargs = {}
    if rng.random() < 0.5:
        kwargs["padding_idx"] = int(rng.integers(-rows, rows))
    if rng.random() < 0.2:
        kwargs |= {"max_norm": 1.0, "norm_type": float(rng.choice([1.0, 2.0]))}
    index = rng.integers(0, rows, shape(rng, 0, 3)).astype(rng.choice([np.int64, np.int32]))
    return Case("Embedding", (rows, width), kwargs, alternatives(rng, index))


MAKERS = {
    "AvgPool1d": _avg_pool,
    "BatchNorm1d": _batch_norm,
    "Dropout": _dropout,
    "ELU": _elu,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GELU": _gelu,
    "Hardsigmoid": _hardsigmoid,
    "Identity": _identity,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky,
    "LogSoftmax": _along("LogSoftmax"),
    "MaxPool1d": _max_pool,
    "ReLU": _relu,
    "SiLU": _silu,
    "Sigmoid": _sigmoid,
    "Softmax": _along("Softmax"),
    "Tanh": _tanh,
}


def make(layer, seed):
    """The configuration of a layer that a seed stands for."""
    return MAKERS[layer](np.random.default_rng([zlib.crc32(layer.encode()), seed]))


def built(nn, case, dtype, convert=lambda value: value):
    """The module of a case, filled and in its mode; ``convert`` makes values of a library."""
    kwargs = dict(case.kwargs)
    module = getattr(nn, case.layer)(*case.args, **kwargs)
    module = module.double() if dtype == "float64" else module.float()
    if case.state:
        state = {name: convert(np.asarray(value)) for name, value in case.state.items()}
        module.load_state_dict(state)
    return module.train(case.training)


def input_of(case, dtype):
    """The input, in the dtype, with the gaps that it has."""
    if case.x.dtype.kind in "iu":
        return case.x
    copied = np.empty_like(case.x, dtype)
    with np.errstate(over="ignore"):
        copied[...] = case.x
    return copied


def results(value):
    return list(value) if isinstance(value, tuple) else [value]


def differences(mine, theirs):
    """The largest difference where both are finite; what is not must be the same."""
    mine, theirs = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
    assert mine.shape == theirs.shape
    finite = np.isfinite(theirs)
    assert (np.isfinite(mine) == finite).all()
    assert np.array_equal(mine[~finite], theirs[~finite], equal_nan=True)
    return np.abs(mine[finite] - theirs[finite]).max(initial=0.0)
