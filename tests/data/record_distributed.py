"""Record a folder of torch.distributed.checkpoint that two processes wrote. Needs torch 2.13.

python tests/data/record_distributed.py

The tensors are cut by rows and by columns, unevenly and for one process alone; small numbers that
a test can compute stand in them.
"""

import tarfile
import tempfile
from pathlib import Path

import torch
import torch.distributed.checkpoint
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

TARGET = Path(__file__).parent / "files" / "distributed.tar.xz"
SHAPES = {
    "weight_ih_l0": ((12, 2), Shard(0)),
    "weight_hh_l0": ((12, 3), Shard(1)),
    "bias_ih_l0": ((12,), Replicate()),
    "bias_hh_l0": ((12,), Shard(0)),
}


def tensors():
    """The parameters of an LSTM(2, 3), whole."""
    for index, (name, (shape, placement)) in enumerate(SHAPES.items()):
        count = torch.Size(shape).numel()
        yield name, ((torch.arange(count) + 100 * index) / 8).reshape(shape), placement


def write(rank, folder):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    mesh = init_device_mesh("cpu", (2,))
    state = {
        f"lstm.{name}": distribute_tensor(value, mesh, [placement])
        for name, value, placement in tensors()
    }
    state["short"] = distribute_tensor(torch.ones(1, 3, dtype=torch.bfloat16), mesh, [Shard(0)])
    state["half"] = distribute_tensor(torch.ones(3, 2, dtype=torch.bfloat16), mesh, [Shard(0)])
    torch.distributed.checkpoint.save({"model": state, "epoch": 7}, checkpoint_id=f"{folder}/two")
    distributed.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(write, (folder,), nprocs=2)
        with tarfile.open(TARGET, "w:xz") as archive:
            for path in sorted(Path(folder, "two").iterdir()):
                info = tarfile.TarInfo(f"two/{path.name}")
                info.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(info, content)
