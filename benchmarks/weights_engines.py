"""Engines with smaller weights: pylstm's storages, 8-bit and bfloat16 forms of its peers."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.engines import (
    BASELINE,
    Pylstm,
    UnsupportedError,
    require,
    unsupported_float64,
)
from benchmarks.grids import STORAGES
from benchmarks.onnx_engines import OnnxRuntime, OpenVino
from benchmarks.problem import Problem, joined, parted
from benchmarks.torch_engines import TorchEager


class Stored(Pylstm):
    """pylstm with weights in a storage, compressed from the float32 module of the case."""

    weights: ClassVar[str]

    def __init__(self, problem: Problem) -> None:
        unsupported_float64(problem.case, self.name)
        super().__init__(problem)
        self.module = require(self.package).compress(self.module, self.weights)
        self.runner = self._runner()


def _stored(weights: str, tolerance: float) -> type[Stored]:
    names = {"name": f"{BASELINE} {weights}", "weights": weights, "tolerance": tolerance}
    return type(f"Stored{weights.title().replace('-', '')}", (Stored,), names)


# About twice the greatest errors of the grids head and cells, of any kind: a storage with a digit
# less is beyond its bound.
TOLERANCES = (4e-2, 6e-2, 2e-3, 1e-2, 1.5e-3)
STORED = {
    weights: _stored(weights, tolerance)
    for weights, tolerance in zip(STORAGES, TOLERANCES, strict=True)
}


class OnnxRuntimeInt8(OnnxRuntime):
    """``DynamicQuantizeLSTM`` as onnxruntime's own ``quantize_dynamic`` writes it."""

    name = "onnxruntime int8 tensor"
    tolerance = 5e-2
    per_channel: ClassVar[bool] = False

    def model(self) -> bytes:
        if self.case.kind != "lstm":
            raise UnsupportedError(f"onnxruntime has no int8 {self.case.kind_of_cell.layer}")
        onnx, quantization = require("onnx"), require("onnxruntime.quantization")
        model = onnx.load_from_string(super().model())
        with tempfile.TemporaryDirectory() as folder, _unlogged():
            path = Path(folder) / "model.onnx"
            quantization.quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["LSTM"],
                per_channel=self.per_channel,
                weight_type=quantization.QuantType.QInt8,
            )
            written = path.read_bytes()
        made = [node.op_type for node in onnx.load_from_string(written).graph.node]
        if made.count("DynamicQuantizeLSTM") != self.case.num_layers:
            raise UnsupportedError(f"onnxruntime made {', '.join(made)}")
        return written


class OnnxRuntimeInt8Channel(OnnxRuntimeInt8):
    """The same with a scale for each row of the weights."""

    name = "onnxruntime int8 channel"
    per_channel = True


class OpenVinoBfloat16(OpenVino):
    """OpenVINO's bfloat16 arithmetic; on processors without such instructions it has none."""

    name = "openvino bf16"
    tolerance = 5e-2
    config: ClassVar[dict[str, Any]] = {**OpenVino.config, "INFERENCE_PRECISION_HINT": "bf16"}

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        used = self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if used != "bf16":
            raise UnsupportedError(f"openvino computes in {used} here")


class TorchBfloat16(TorchEager):
    """The module in bfloat16, with bfloat16 tensors in and out."""

    name = "torch bf16"
    tolerance = 5e-2

    def make_call(self) -> Callable[..., Any]:
        self.x = self.x.bfloat16()
        self.hx = joined([state.bfloat16() for state in parted(self.hx)])
        self.cell_hx = joined([state.bfloat16() for state in parted(self.cell_hx)])
        return self.module.bfloat16()  # type: ignore[no-any-return]

    def array(self, tensor: Any) -> np.ndarray:
        return super().array(tensor.float())


class TorchInt8(TorchEager):
    """``quantize_dynamic`` to qint8, with the fastest of torch's engines for this case.

    ``detail`` is that engine: a few short figures of each are compared before the rounds.
    """

    name = "torch qint8"
    tolerance = 0.12

    def make_call(self) -> Callable[..., Any]:
        backend, nn = self.torch.backends.quantized, self.torch.nn
        kinds = {nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}
        if type(self.module) not in kinds:
            raise UnsupportedError(f"torch has no qint8 {type(self.module).__name__}")
        found = {}
        for engine in backend.supported_engines:
            if engine == "none":
                continue
            backend.engine = engine
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                quantise = self.torch.ao.quantization.quantize_dynamic
                self.call = quantise(nn.Sequential(self.module), kinds)[0]
                runner = self._runner()
                runner.calibrate(1e-3)
            found[min(runner.sample() for _ in range(3))] = engine, self.call
        backend.engine, call = found[min(found)]
        self.detail = backend.engine
        return call  # type: ignore[no-any-return]


@contextmanager
def _unlogged() -> Iterator[None]:
    """Drop what is logged inside: onnxruntime's advice to run another tool of its before."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


INT8_PEERS = (OnnxRuntimeInt8, OnnxRuntimeInt8Channel, TorchInt8)
BFLOAT16_PEERS = (TorchBfloat16, OpenVinoBfloat16)
PEERS = INT8_PEERS + BFLOAT16_PEERS

# Which peers a storage is compared with; float16 has none.
RIVALS = {
    STORED[weights].name: tuple(peer.name for peer in peers)
    for weights, peers in {
        "int8": INT8_PEERS,
        "int8-fast": INT8_PEERS,
        "int16": BFLOAT16_PEERS,
        "bfloat16": BFLOAT16_PEERS,
    }.items()
}


def engine_names(storages: list[str]) -> list[str]:
    """Engines of a run with these storages: float32 first, every peer last."""
    peers = [engine.name for engine in PEERS]
    return [BASELINE, *(STORED[weights].name for weights in storages), *peers]
