"""Random convolutions, which are compared with a slow one and with a live torch."""

import numpy as np
import reference


def random_conv(seed):
    """(arguments of Conv1d, options of Conv1d, shape of the input), all from the seed."""
    rng = np.random.default_rng(seed)

    def one(*choices):
        return choices[rng.integers(len(choices))]

    groups = int(one(1, 1, 1, 2, 3, 4))
    channels = [groups * int(rng.integers(1, 21)), groups * int(rng.integers(1, 41))]
    kernel, stride, dilation = (int(rng.integers(1, most)) for most in (7, 5, 4))
    span = dilation * (kernel - 1) + 1
    steps = span + int(rng.integers(0, one(10, 150, 400)))
    padding = one(0, int(rng.integers(0, min(steps, 8))), "valid", "same")
    if padding == "same" and (stride > 1 or span > steps):
        padding = 0
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": bool(rng.integers(4)),
        "padding_mode": one("zeros", "zeros", "reflect", "replicate", "circular"),
        "dtype": one("float32", "float64"),
    }
    front = one((), (0,), (1,), (2,), (5,)) if options["padding_mode"] == "zeros" else one((), (2,))
    return (*channels, kernel), options, (*front, channels[0], steps)


def conv_input(seed, shape):
    """Numbers between -1 and 1, float64."""
    return reference.fractions(seed + 700, shape)


def slow_conv(weight, bias, x, stride=1, ends=(0, 0), dilation=1, groups=1):
    """The convolution of (N, C, L), zeros around it, in float64, frame by frame."""
    weight, x = weight.astype(np.float64), x.astype(np.float64)
    x = np.pad(x, ((0, 0), (0, 0), ends))
    outputs, depth, kernel = weight.shape
    frames = (x.shape[2] - dilation * (kernel - 1) - 1) // stride + 1
    result = np.zeros((len(x), outputs, frames))
    for output in range(outputs):
        first = output // (outputs // groups) * depth
        for frame in range(frames):
            at = frame * stride
            seen = x[:, first : first + depth, at : at + dilation * (kernel - 1) + 1 : dilation]
            result[:, output, frame] = (seen * weight[output]).sum((1, 2))
    return result if bias is None else result + bias.astype(np.float64)[:, None]
