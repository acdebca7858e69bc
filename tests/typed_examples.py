"""Programs as users write them, with types; mypy reads this file, and a test runs it."""

import io
import tempfile
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import pylstm as nn
import pylstm.functional as F
from pylstm.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

Array = npt.NDArray[Any]


def sequences() -> tuple[Array, Array]:
    lstm = nn.LSTM(4, 8, num_layers=2, bias=True, batch_first=True, dropout=0.1, bidirectional=True)
    lstm.eval()
    output, (h_n, c_n) = lstm(np.ones((3, 7, 4)))
    output, (h_n, c_n) = lstm(output[..., :4], (h_n, c_n))
    _, states = lstm.forward(np.ones((3, 7, 4)), hx=None)
    assert_type(states, tuple[Array, Array])
    assert_type(lstm.hidden_size, int)
    assert_type(lstm.training, bool)
    lstm.dropout = 0.5
    lstm.batch_first = False
    return h_n, c_n


def steps(count: int) -> Array:
    cell = nn.LSTMCell(4, 8, device="cpu", dtype=np.float64)
    h, c = np.zeros((3, 8)), np.zeros((3, 8))
    for step in np.ones((count, 3, 4)):
        h, c = cell(step, (h, c))
    first, second = cell.forward(np.ones((3, 4)))
    assert_type(first, Array)
    return h + c + first + second


def one_state() -> Array:
    """Networks whose state is one array."""
    gru = nn.GRU(4, 8, num_layers=2, batch_first=True)
    rnn = nn.RNN(4, 8, 1, "relu", bidirectional=True)
    assert_type(rnn.nonlinearity, str)
    output, h_n = gru(np.ones((3, 7, 4)))
    _, last = rnn.forward(output[..., :4])
    assert_type(last, Array)
    gated, plain = nn.GRUCell(4, 8), nn.RNNCell(4, 8, nonlinearity="relu", dtype=np.float64)
    assert_type(gated.forward(np.ones((3, 4))), Array)
    h = plain(np.ones((3, 4)), gated(np.ones((3, 4))))
    plain.nonlinearity = "tanh"
    return np.asarray(h + h_n[0])


def stream() -> Array:
    """Sequences that go on from call to call."""
    served = nn.LSTM(4, 8, 2).stream(batch=3)
    assert_type(served, nn.Stream)
    assert_type(served(np.ones((3, 4))), Array)
    output = served(np.ones((5, 2, 4)), rows=[2, 0], out=np.empty((5, 2, 8), np.float32))
    joined = served.join(2)
    assert_type(joined, npt.NDArray[np.int64])
    served.reset(joined)
    served.select([*range(4), 0])
    served.leave(np.flatnonzero(np.arange(len(served)) > 2))
    other: nn.Stream = served.fork()
    h, c = other.state
    other.state = (h, c)
    other.reset()
    beams = nn.Stream(nn.GRU(4, 8), batch=2, hx=np.zeros((1, 2, 8)))
    beams.state = None
    return np.asarray(output + h[0, 0] + c[0, 0])


def inside_sequences() -> Array:
    """What a call may have inside its sequences, and what led to its results."""
    lstm, gru = nn.LSTM(4, 8, 2), nn.GRU(4, 8)
    x = np.ones((7, 3, 4))
    output, (h_n, c_n) = lstm(x, lengths=[3, 7, 1])
    _, states = lstm.forward(x, (h_n, c_n), reset=x[..., 0] > 2)
    assert_type(states, tuple[Array, Array])
    _, last = gru.forward(x, None, lengths=np.array([3, 7, 1]), reset=None, out=None)
    assert_type(last, Array)
    trace = gru.trace(x, h_n[:1], lengths=[3, 7, 1], names=["z", "h"])
    assert_type(trace, nn.Trace)
    assert_type(trace.z, Array)
    assert_type(trace.names, tuple[str, ...])
    assert trace.h.shape == (1, 1, 7, 3, 8) and trace.kind == "GRU"
    assert lstm.trace(x, names="c").c_n.shape == (2, 3, 8)
    return np.asarray(output + trace.output)


class Tagger(nn.Module):
    """A container with a child and an array of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 8)
        self.register_parameter("weight", np.zeros((5, 8), np.float32))

    def forward(self, x: npt.ArrayLike, hx: tuple[Array, Array] | None = None) -> Array:
        output, _ = self.lstm(x, hx)
        weight = self.get_parameter("weight")
        return np.asarray(output @ weight.T)


def modules() -> Tagger:
    tagger = Tagger().train(False).double().float()
    assert_type(tagger, Tagger)
    tagger.to(np.float64).requires_grad_(False).zero_grad()
    for name, array in tagger.named_parameters():
        assert_type(name, str)
        assert_type(array, Array)
    for child in tagger.children():
        assert_type(child, nn.Module)
    seen: list[Any] = []
    with tagger.register_forward_hook(lambda module, args, output: seen.append(output)):
        tagger(np.ones((2, 1, 4)))
    handle = tagger.register_forward_pre_hook(lambda module, args: None, prepend=True)
    handle.remove()
    file = io.BytesIO()
    np.savez(file, **tagger.state_dict())
    file.seek(0)
    result = tagger.load_state_dict(np.load(file), strict=True)
    assert list(result.missing_keys) == list(result.unexpected_keys) == []
    return tagger.apply(lambda module: None)


def packed() -> list[Array]:
    parts = [np.ones((3, 4)), np.ones((1, 4))]
    batch = pack_sequence(parts)
    assert_type(batch, PackedSequence)
    batch = pack_padded_sequence(pad_sequence(parts), [3, 1], enforce_sorted=False)
    output, _ = nn.LSTM(4, 8)(batch.float())
    padded, lengths = pad_packed_sequence(output, batch_first=True, total_length=5)
    assert_type(padded, Array)
    unpad_sequence(padded, lengths, batch_first=True)
    invert_permutation(batch.sorted_indices)
    return unpack_sequence(output)


def smaller() -> Tagger:
    small = nn.compress(Tagger(), "int8")
    assert_type(small, Tagger)
    assert_type(nn.compress(nn.GRUCell(4, 8), weights="float16"), nn.GRUCell)
    assert_type(small.lstm.weights, str | None)
    return nn.compress(small, "int16").float()


class Speech(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, stride=2, padding="valid", padding_mode="zeros")
        self.norm, self.relu = nn.BatchNorm1d(8), nn.ReLU()
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 5), nn.LogSoftmax(dim=-1))

    def forward(self, x: npt.ArrayLike) -> Array:
        frames: Array = self.relu(self.norm(self.conv(x))).swapaxes(1, 2)
        scores: Array = self.head(frames)
        return scores


def layers() -> Array:
    model = Speech().eval()
    assert_type(model, Speech)
    assert_type(model.conv.weight, Array)
    assert_type(model.conv.bias, Array | None)
    assert_type(model.conv.kernel_size, tuple[int])
    head = nn.Linear(4, 6, bias=False, dtype=np.float64)
    assert_type(head.forward(np.ones((3, 4)), out=np.empty((3, 6))), Array)
    assert_type(nn.Embedding(10, 4).forward([1, 2]), Array)
    assert_type(nn.Embedding.from_pretrained(np.ones((10, 4))), nn.Embedding)
    assert_type(nn.LayerNorm(4).forward(np.ones((3, 4))), Array)
    assert_type(nn.MaxPool1d(2).forward(np.ones((1, 2, 4))), Any)
    assert_type(F.softmax(np.ones((3, 4)), dim=-1), Array)
    assert_type(F.conv1d(np.ones((1, 4, 9)), np.ones((6, 4, 3)), stride=2), Array)
    boxes = nn.ModuleDict({"a": nn.Tanh(), "b": nn.GELU("tanh")})
    assert_type(len(nn.ModuleList([nn.Sigmoid(), boxes["a"]])), int)
    return model(np.ones((2, 4, 9)))  # type: ignore[no-any-return]


def frames() -> Array:
    model = nn.Sequential(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.GRU(8, 5))
    served = model.stream(batch=2)
    assert_type(served, nn.FrameStream)
    assert_type(nn.Conv1d(4, 8, 3).stream(), nn.FrameStream)
    assert_type(served(np.ones((2, 4))), Array)
    assert_type(served.fork(), nn.FrameStream)
    served.leave(served.join(1))
    return served(np.ones((3, 1, 4)), rows=[1])


def weights() -> nn.LSTM:
    state = Tagger().state_dict()
    for found in nn.find_lstms(state):
        assert_type(found, nn.FoundLSTM)
        assert_type(found.prefix, str)
        assert_type(found.num_layers, int)
        assert_type(nn.LSTM.from_weights(state, found.prefix, **found.assumed), nn.LSTM)
        assert_type(nn.LSTMCell.from_weights(state, bias=True, activation="tanh"), nn.LSTMCell)
        if found.initial_states is not None:
            nn.LSTM(4, 8)(np.ones((2, 1, 4)), found.initial_states)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tagger.safetensors"
        nn.save(state, path)
        state.update(nn.load(path, mmap=True))
        flat = nn.load(path, mmap=True, flat=True, prefix="lstm")
        assert_type(flat, dict[str, Array])
        state.update({f"lstm.{name}": array for name, array in flat.items()})
    assert_type(nn.LSTM.from_weights(state, "lstm", batch_first=True), nn.LSTM)
    return nn.LSTM.from_weights({"a": state}, prefix="a.lstm", dtype=np.float64)


def generator() -> int:
    nn.manual_seed(5)
    state = nn.get_rng_state()
    assert_type(state, npt.NDArray[np.uint8])
    nn.set_rng_state(state)
    return nn.initial_seed()


def missing() -> str:
    """A checker knows which names there are: strict mode reports comments that ignore nothing."""
    try:
        nn.Transformer(4, 8)  # type: ignore[attr-defined]
    except AttributeError as error:
        return str(error)
    return ""


def main() -> None:
    """Run everything."""
    sequences()
    steps(3)
    one_state()
    stream()
    inside_sequences()
    modules()
    packed()
    smaller()
    layers()
    frames()
    weights()
    assert generator() == 5
    assert missing()
