"""Conv1d beside torch and onnxruntime, one thread: ``python -m benchmarks.conv``.

Each figure is a ratio within one round, their time over ours. It exits with 1 where one of ours is
more than 3 % slower than the fastest.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from benchmarks.linear import parsed

CHANNELS = [(64, 128), (128, 64), (128, 128)]
STRIDES = (1, 2)
STEPS = (4, 10, 30, 100, 300, 1000)
KERNEL = 3


def runners_of(channels: tuple[int, int], stride: int, steps: int) -> dict[str, Any]:
    """Return what is timed: the same convolution of the same numbers by each library there is."""
    import numpy as np

    import pylstm as nn
    from benchmarks.timing import Runner

    module = nn.Conv1d(*channels, KERNEL, stride)
    x = np.random.rand(1, channels[0], steps).astype(np.float32)
    weight, bias = module.weight.copy(), np.array(module.bias)
    found = {"pylstm": Runner("module(x)", {"module": module, "x": x})}
    results = {"pylstm": module(x)}
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        theirs = torch.nn.Conv1d(*channels, KERNEL, stride)
        state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        theirs.load_state_dict(state)
        names = {"module": theirs, "x": torch.from_numpy(x)}
        found["torch"] = Runner("module(x)", names, context=torch.inference_mode)
        results["torch"] = theirs(torch.from_numpy(x)).detach().numpy()
    with suppress(ImportError):
        session = session_of(weight, bias, stride)
        names = {"run": session.run, "x": {"x": x}}
        found["onnxruntime"] = Runner("run(None, x)", names)
        results["onnxruntime"] = session.run(None, {"x": x})[0]
    for name, result in results.items():
        np.testing.assert_allclose(result, results["pylstm"], atol=1e-4, err_msg=name)
    return found


def session_of(weight: Any, bias: Any, stride: int) -> Any:
    """Return a session of onnxruntime with one convolution."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], kernel_shape=[KERNEL], strides=[stride], pads=[0, 0]
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, weight.shape[1], None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, weight.shape[0], None])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def main() -> int:
    """Print a table of medians, and the geometric mean."""
    options = parsed(__doc__)

    import pylstm as nn
    from benchmarks.timing import geometric_mean, interleave, ratios, spread

    nn.set_num_threads(1)
    others = [name for name in runners_of(CHANNELS[0], 1, 4) if name != "pylstm"]
    heads = "".join(f" {name} / ours |" for name in others)
    print(f"| channels | stride | T | µs |{heads}")
    print("|---" * (4 + len(others)) + "|")
    fastest = []
    for channels in CHANNELS:
        for stride in STRIDES:
            for steps in STEPS:
                samples = interleave(
                    runners_of(channels, stride, steps), options.rounds, options.target
                )
                found = [ratios(samples[name], samples["pylstm"]).median for name in others]
                fastest += [min(found)] if found else []
                micros = spread(samples["pylstm"]).median * 1e6
                cells = "".join(f" {ratio:.2f} |" for ratio in found)
                print(
                    f"| {channels[0]} → {channels[1]} | {stride} | {steps} | {micros:.2f} |{cells}"
                )
    if not others:
        print("\nNeither torch nor onnxruntime is there to compare with.")
        return 0
    print(f"\nOver the fastest, geometric mean: {geometric_mean(fastest):.2f}")
    return 0 if min(fastest) >= 1 / 1.03 else 1


if __name__ == "__main__":
    sys.exit(main())
