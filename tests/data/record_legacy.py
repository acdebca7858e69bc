"""Records files in torch's format before 1.6, and tensors that went through Python's own pickle.

Run: python tests/data/record_legacy.py
It needs torch 2.13. Every tensor counts through in steps of 1/8, see `counted`, so that
tests/test_files_legacy.py knows what each must be without torch.
"""

import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent / "files"


def counted(*shape, start=0, dtype=torch.float32):
    """Return start/8, (start+1)/8, ... in the given shape."""
    size = torch.Size(shape).numel()
    return ((torch.arange(size) + start) / 8).reshape(shape).to(dtype)


def lstm():
    """Return LSTM(2, 3, bidirectional=True) with counted parameters."""
    module = torch.nn.LSTM(2, 3, bidirectional=True)
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.copy_(counted(*parameter.shape, start=100 * index))
    return module


def checkpoint():
    """Return what a training script keeps: views, all dtypes, an optimizer, small types."""
    module = lstm()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.5)
    module(counted(1, 2))[0].sum().backward()
    optimizer.step()
    flat = counted(40)
    names = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 complex64 complex128"
    dtypes = [getattr(torch, name) for name in names.split()]
    return {
        "epoch": 3,
        "loss": 0.125,
        "state_dict": lstm().state_dict(),
        "optimizer": optimizer.state_dict(),
        "flat": flat,
        "views": [flat[8:], flat[2:32].view(5, 6), flat[2:32].view(5, 6).t(), flat[::3], flat[7]],
        "expanded": flat[:3].expand(2, 3),
        "empty": torch.zeros(0, 3),
        "dtypes": {str(dtype): counted(2, 3, dtype=dtype) for dtype in dtypes},
        "bool": torch.tensor([True, False, True]),
        "conjugate": torch.tensor([1 + 2j, 3 - 4j]).conj(),
        "parameter": torch.nn.Parameter(counted(2)),
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cuda", 1),
    }


def model_of_a_lost_class():
    """Return a model whose class exists nowhere but here, with a hook and a buffer."""
    code = types.ModuleType("lost_project.models")

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(4, 2)
            self.rnn = lstm()
            self.register_buffer("steps", torch.tensor(7))
            self.labels = ["a", "b"]

    Tagger.__module__, Tagger.__qualname__ = code.__name__, "Tagger"
    code.Tagger = Tagger
    sys.modules["lost_project"] = types.ModuleType("lost_project")
    sys.modules[code.__name__] = code
    model = Tagger()
    with torch.no_grad():
        model.embedding.weight.copy_(counted(4, 2))
    return model


def save(name, value, protocol=2):
    """Write one file in the old format."""
    path = FOLDER / name
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    print(f"{name}: {path.stat().st_size} bytes")


def source_lines(cls, error_msg=""):
    """Return a stand-in for the source code that the old format adds for each module's class."""
    return [f"class {cls.__name__}: ..."], 1, f"{cls.__name__}.py"


if __name__ == "__main__":
    torch.serialization.get_source_lines_and_file = source_lines
    save("legacy_state_dict.pt", lstm().state_dict())
    save("legacy_checkpoint.pt", checkpoint())
    save("legacy_checkpoint_4.pt", checkpoint(), protocol=4)
    save("legacy_model.pt", model_of_a_lost_class())
    tensors = OrderedDict(lstm().state_dict(), big=counted(60, 20))
    for protocol in (2, 5):
        data = pickle.dumps(tensors, protocol)
        (FOLDER / f"pickled_tensors_{protocol}.pkl").write_bytes(data)
        print(f"pickled_tensors_{protocol}.pkl: {len(data)} bytes")
