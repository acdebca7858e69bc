"""Records files that pylstm names, or reads, although they are no weight files of its formats.

Run: python tests/data/record_other_formats.py torch
     python tests/data/record_other_formats.py others
     python tests/data/record_other_formats.py old

The first needs torch 2.13 and joblib 1.6 and writes other_formats_torch.tar.xz; the last needs joblib
0.17, whose files have no padding, and writes other_formats_old.tar.xz. The second needs
tensorflow-cpu 2.21, flax 0.12, orbax-checkpoint 0.12, coremltools 9, openvino 2026.4, gguf 0.19,
lz4, zstandard, py7zr, scipy and onnxruntime, as far as they can be installed, and writes
other_formats_others.tar.xz. The parameters count through in steps of 1/8, so that
tests/test_files_foreign.py knows what each must be. Where the files stood is left out: the
debugging entries of TorchScript, paths in the text of torch.export, what Orbax says when it is done.
"""

import bz2
import gzip
import lzma
import os
import re
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "files"
SHAPES = {
    "weight_ih_l0": (12, 2),
    "weight_hh_l0": (12, 3),
    "bias_ih_l0": (12,),
    "bias_hh_l0": (12,),
}


def counted(index, shape):
    """Return the parameter of LSTM(2, 3) at that place: 100 * index / 8, and so on."""
    return ((np.arange(np.prod(shape)) + 100 * index) / 8).astype("f4").reshape(shape)


def arrays():
    return {name: counted(index, shape) for index, (name, shape) in enumerate(SHAPES.items())}


# ---------------------------------------------------------------------------- torch and joblib


def filled(module):
    import torch

    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.from_numpy(counted(index, parameter.shape)))
    return module.eval()


def tagger():
    """Return a module that holds ``lstm`` and ``head``."""
    import torch

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(2, 3, batch_first=True)
            self.head = torch.nn.Linear(3, 2)

        def forward(self, x):
            output, _ = self.lstm(x)
            return self.head(output)

    return filled(Tagger())


def cell_tagger():
    """Return a module that holds two cells."""
    import torch

    class Cells(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.LSTMCell(2, 3)
            self.second = torch.nn.LSTMCell(3, 3, bias=False)

        def forward(self, x):
            hidden, _ = self.first(x)
            return self.second(hidden)[0]

    return filled(Cells())


def write_torch():
    import joblib
    import torch
    import torch.distributed.checkpoint

    x = torch.zeros(1, 4, 2)
    scripted = torch.jit.script(tagger())
    torch.jit.save(torch.jit.freeze(scripted), "frozen_scripted.pt")
    torch.jit.save(torch.jit.freeze(torch.jit.trace(tagger(), x)), "frozen_traced.pt")
    torch.jit.save(torch.jit.freeze(torch.jit.script(cell_tagger())), "frozen_cells.pt")
    torch.jit.save(torch.jit.optimize_for_inference(scripted), "optimized.pt")
    torch.jit.save(torch.jit.script(tagger()), "scripted.pt")
    torch.export.save(torch.export.export(tagger(), (x,)), "exported.pt2")
    torch.distributed.checkpoint.save(tagger().state_dict(), checkpoint_id="dcp", no_dist=True)
    state = {name: value.numpy() for name, value in torch.nn.Module.state_dict(tagger()).items()}
    for protocol in range(6):
        joblib.dump(state, f"protocol_{protocol}.joblib", protocol=protocol)
    for how in ("zlib", "gzip", "bz2", "xz", "lzma"):
        joblib.dump(state, f"compressed_{how}.joblib", compress=(how, 3))
    several = {
        "fortran": np.asfortranarray(state["lstm.weight_ih_l0"]),
        "big endian": state["lstm.weight_ih_l0"].astype(">f8"),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(2.5),
        "number": np.float32(0.5),
        "integers": np.arange(5),
        "flags": np.array([True, False]),
        "list": [state["lstm.bias_ih_l0"], "text", None],
    }
    joblib.dump(several, "several.joblib")
    joblib.dump({**several, "objects": np.array([1, "a"], object)}, "objects.joblib")
    for world in (1, 2):
        torch.multiprocessing.spawn(write_distributed, (world,), nprocs=world)


def write_old():
    import joblib

    state = {f"lstm.{name}": array for name, array in arrays().items()}
    joblib.dump(state, "unpadded.joblib")
    joblib.dump(state, "unpadded_zlib.joblib", compress=3)


def write_distributed(rank, world):
    """Write what each of ``world`` processes has of the tensors."""
    import torch
    from torch import distributed
    from torch.distributed._shard.api import _shard_tensor
    from torch.distributed._shard.sharding_spec import ChunkShardingSpec
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType, fully_shard
    from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    distributed.init_process_group("gloo", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    parameters = tagger().state_dict()

    def save(name, tensors):
        torch.save(tensors, f"{name}_{rank}_of_{world}.pt")

    for name, placement in {
        "rows": Shard(0),
        "replicated": Replicate(),
        "partial": Partial(),
    }.items():
        tensors = {
            key: distribute_tensor(value.clone(), mesh, [placement])
            for key, value in parameters.items()
        }
        save(f"dtensor_{name}", tensors)
    places = [f"rank:{each}/cpu" for each in range(world)]
    spec = ChunkShardingSpec(dim=0, placements=places)
    save("sharded", {key: _shard_tensor(value.clone(), spec) for key, value in parameters.items()})
    wrapped = FullyShardedDataParallel(tagger(), device_id=torch.device("cpu"))
    with FullyShardedDataParallel.state_dict_type(wrapped, StateDictType.LOCAL_STATE_DICT):
        save("fsdp_local", wrapped.state_dict())
    save("fsdp_parameters", {name: each.detach() for name, each in wrapped.named_parameters()})
    module = tagger()
    fully_shard(module)
    save("fsdp2", module.state_dict())
    distributed.destroy_process_group()


# ---------------------------------------------------------------------------- other packages


def write_tensorflow():
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    class Model(tf.Module):
        def __init__(self):
            self.w = tf.Variable(np.ones((2, 3), "f4"))

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def __call__(self, x):
            return x @ self.w

    model = Model()
    tf.saved_model.save(model, "saved_model")
    tf.train.Checkpoint(model=model).write("checkpoint")
    frozen = convert_variables_to_constants_v2(model.__call__.get_concrete_function())
    Path("frozen_graph.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    layers = [tf.keras.layers.Input((4, 2), batch_size=1), tf.keras.layers.LSTM(3, unroll=True)]
    converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Sequential(layers))
    Path("model.tflite").write_bytes(converter.convert()[:2000])


def write_jax():
    import orbax.checkpoint
    from flax import serialization

    tree = {"params": {"lstm": {"kernel": np.ones((2, 3), "f4")}}}
    Path("flax.msgpack").write_bytes(serialization.to_bytes(tree))
    wide = {f"layer{index}": tree for index in range(20)}
    Path("flax_wide.msgpack").write_bytes(serialization.msgpack_serialize(wide))
    flat = {"kernel": np.ones((200, 30), "f4")}
    Path("flax_flat.msgpack").write_bytes(serialization.msgpack_serialize(flat)[:2000])
    orbax.checkpoint.PyTreeCheckpointer().save(Path("orbax").absolute(), tree)
    with orbax.checkpoint.CheckpointManager(Path("orbax_steps").absolute()) as manager:
        manager.save(0, args=orbax.checkpoint.args.StandardSave(tree))
        manager.wait_until_finished()


def write_coreml():
    import coremltools
    from coremltools.converters.mil import Builder
    from coremltools.models import datatypes, neural_network

    sides = [("x", datatypes.Array(3))], [("y", datatypes.Array(4))]
    network = neural_network.NeuralNetworkBuilder(*sides)
    network.add_inner_product("fc", np.ones((4, 3)), np.zeros(4), 3, 4, True, "x", "y")
    coremltools.utils.save_spec(network.spec, "network.mlmodel")

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 3))])
    def program(x):
        return Builder.linear(x=x, weight=np.ones((4, 3), "f4"), name="y")

    model = coremltools.convert(program, convert_to="mlprogram", skip_model_load=True)
    model.save("program.mlpackage")


def write_models():
    import gguf
    import onnxruntime
    import openvino
    from openvino import opset13

    x = opset13.parameter([1, 3], np.float32)
    y = opset13.matmul(x, opset13.constant(np.ones((3, 4), "f4")), False, False)
    openvino.save_model(openvino.Model([y], [x]), "openvino.xml")
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_tensor("a", np.ones((4, 32), "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = "model.ort"
    options.add_session_config_entry("session.save_model_format", "ORT")
    from onnx import TensorProto, helper

    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", floats, [1])],
        [helper.make_tensor_value_info("y", floats, [1])],
    )
    opsets = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnxruntime.InferenceSession(made.SerializeToString(), options)


def write_archives():
    import lz4.frame
    import py7zr
    import scipy.io
    import zstandard

    np.savez("weights.npz", **{f"lstm.{name}": array for name, array in arrays().items()})
    weights = Path("weights.npz")
    packers = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
        "lz4": lz4.frame.compress,
        "zst": zstandard.compress,
        "zz": zlib.compress,
    }
    for suffix, pack in packers.items():
        Path(f"weights.{suffix}").write_bytes(pack(weights.read_bytes()))
    with py7zr.SevenZipFile("weights.7z", "w") as archive:
        archive.write(weights)
    for suffix in ("tar", "tar.gz"):
        with tarfile.open(f"weights.{suffix}", "w:gz" if suffix.endswith("gz") else "w") as archive:
            archive.add(weights)
    scipy.io.savemat("weights.mat", arrays())


def forget_places():
    """Take the paths of this machine out of what was written."""
    for path in Path().rglob("commit_success.txt"):
        path.unlink()
    for path in [*Path().glob("*.pt"), *Path().glob("*.pt2")]:
        with zipfile.ZipFile(path) as archive:
            entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
        if not any(entry.filename.endswith((".debug_pkl", ".json")) for entry, _ in entries):
            continue
        with zipfile.ZipFile(path, "w") as archive:
            for entry, content in entries:
                if not entry.filename.endswith(".debug_pkl"):
                    content = re.sub(rb'/[^" ]*/(?=[^/" ]*\.py\b)', b"", content)
                    archive.writestr(entry.filename, content)


GROUPS = {
    "torch": [write_torch],
    "old": [write_old],
    "others": [write_tensorflow, write_jax, write_coreml, write_models, write_archives],
}

if __name__ == "__main__":
    [group] = sys.argv[1:]
    target = (FOLDER / f"other_formats_{group}.tar.xz").absolute()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for write in GROUPS[group]:
            write()
        forget_places()
        with tarfile.open(target, "w:xz") as archive:
            for path in sorted(path for path in Path().rglob("*") if path.is_file()):
                info = tarfile.TarInfo(str(path))
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(info, file)
        os.chdir("/")
