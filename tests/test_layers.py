"""Layers around the recurrent ones: recorded results, bits, wrong calls, names that are not there."""

import copy
import pickle
from pathlib import Path

import layer_cases
import numpy as np
import pytest

import pylstm as nn
import pylstm.functional as F

with np.load(Path(__file__).parent / "data" / "layers.npz") as file:
    RECORDED = dict(file)


@pytest.mark.parametrize("layer", layer_cases.MAKERS)
def test_recorded_results(layer):
    for seed in range(8):
        case = layer_cases.make(layer, seed)
        nn.manual_seed(seed)
        module = layer_cases.built(nn, case, "float64")
        found = layer_cases.results(module(layer_cases.input_of(case, "float64").copy(order="K")))
        for place, result in enumerate(found):
            expected = RECORDED[f"{layer}/{seed}/{place}"]
            assert result.dtype == expected.dtype
            largest = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
            limit = 1e-6 if "max_norm" in case.kwargs else 1e-12
            assert layer_cases.differences(result, expected) <= limit * largest


@pytest.mark.parametrize("count", [1, 15, 16, 17, 100])
def test_initial_bits_are_those_of_torch(count):
    nn.manual_seed(count)
    table = nn.Embedding(count, 1).weight
    if count >= 16:
        assert table.tobytes() == RECORDED[f"table/{count}/float32"].tobytes()
    assert np.allclose(table, RECORDED[f"table/{count}/float32"], rtol=1e-6, atol=0)
    nn.manual_seed(count)
    table = nn.Embedding(count, 1, dtype="float64").weight  # by functions of the C library
    assert np.allclose(table, RECORDED[f"table/{count}/float64"], rtol=1e-14, atol=0)


FUNCTIONS = {
    "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "gelu": F.gelu, "silu": F.silu,
    "gelu_tanh": lambda x: F.gelu(x, "tanh"), "sigmoid": F.sigmoid, "tanh": F.tanh,
    "hardsigmoid": F.hardsigmoid, "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1), "layer_norm": lambda x: F.layer_norm(x, (37,)),
    "batch_norm": lambda x: F.batch_norm(x, np.ones(x.shape[1]), np.ones(x.shape[1])),
    "max_pool1d": lambda x: F.max_pool1d(x, 3), "avg_pool1d": lambda x: F.avg_pool1d(x, 3),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(name, dtype):
    x = np.random.default_rng(0).standard_normal((33, 5, 37)).astype(dtype) * 3
    x[x > 6] = -0.0
    whole = FUNCTIONS[name](x)
    for first, end in ((0, 1), (7, 8), (3, 19), (32, 33)):
        alone = FUNCTIONS[name](x[first:end].copy())
        assert alone.tobytes() == whole[first:end].tobytes()
    assert FUNCTIONS[name](np.asfortranarray(x)).tobytes() == whole.tobytes()
    assert FUNCTIONS[name](np.repeat(x, 2, axis=0)[::2]).tobytes() == whole.tobytes()


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax_over_channels_has_the_same_bits_for_any_number_of_steps(dim):
    x = np.random.default_rng(1).standard_normal((6, 40, 9)).astype(np.float32)
    whole = F.softmax(x, dim)
    for axis in {0, 1, 2} - {dim}:
        alone = F.softmax(np.take(x, [3], axis=axis), dim)
        assert alone.tobytes() == np.take(whole, [3], axis=axis).tobytes()


def test_inplace_writes_to_the_input():
    for module in (nn.ReLU(True), nn.SiLU(True), nn.ELU(inplace=True), nn.LeakyReLU(0.1, True)):
        x = np.array([-1.0, 2.0], np.float32)
        expected = copy.deepcopy(module)(x.copy())
        assert module(x) is x and x.tobytes() == expected.tobytes()
        with pytest.raises(TypeError, match="inplace=True needs a writable NumPy array"):
            module([-1.0])


WRONG = [
    (lambda: nn.Embedding(-1, 3), RuntimeError, "Trying to create tensor with negative dimension -1"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), AssertionError, "Padding_idx must be within"),
    (lambda: nn.Embedding(3, 2)([3]), IndexError, "index out of range in self"),
    (lambda: nn.Embedding(3, 2)([-1]), IndexError, "index out of range in self"),
    (lambda: nn.Embedding(3, 2)([0.5]), RuntimeError, "Expected tensor for argument #1 'indices'"),
    (lambda: nn.Embedding.from_pretrained(np.ones(3)), AssertionError, "expected to be 2-dimens"),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1"),
    (lambda: nn.LayerNorm(4)(np.ones(3)), RuntimeError, r"Given normalized_shape=\[4\], expected"),
    (lambda: nn.BatchNorm1d(3)(np.ones(3)), ValueError, "expected 2D or 3D input"),
    (lambda: nn.BatchNorm1d(4)(np.ones((2, 3))), RuntimeError, "running_mean should contain 3"),
    (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), ValueError, "Expected more than 1 value per ch"),
    (lambda: nn.BatchNorm1d(3.5), TypeError, "must be tuple of ints, not float"),
    (lambda: nn.Flatten(2, 1)(np.ones((1, 1, 1))), RuntimeError, "start_dim cannot come after"),
    (lambda: nn.Flatten()(np.ones(3)), IndexError, "Dimension out of range"),
    (lambda: nn.Softmax(5)(np.ones(3)), IndexError, r"expected to be in range of \[-1, 0\]"),
    (lambda: nn.GELU("x")(np.ones(3)), RuntimeError, "approximate argument must be either"),
    (lambda: nn.LeakyReLU("a")(np.ones(3)), TypeError, "must be Number, not str"),
    (lambda: nn.MaxPool1d(2)(np.ones(3)), RuntimeError, "max_pool1d: Expected 2D or 3D"),
    (lambda: nn.MaxPool1d(5)(np.ones((1, 3))), RuntimeError, "Invalid computed output size: 0"),
    (lambda: nn.AvgPool1d(5)(np.ones((1, 3))), RuntimeError, "Output size is too small"),
    (lambda: nn.AvgPool1d(2, 0)(np.ones((1, 3))), RuntimeError, "stride should not be zero"),
    (lambda: F.one_hot([-1]), RuntimeError, "Class values must be non-negative."),
    (lambda: F.one_hot([1], 1), RuntimeError, "Class values must be smaller than num_classes."),
    (lambda: F.pad(np.ones((1, 3)), (3, 1), "reflect"), RuntimeError, "Argument #4: Padding size"),
    (lambda: F.pad(np.ones((1, 3)), (1,)), RuntimeError, "Padding length must be divisible by 2"),
    (lambda: F.pad(np.ones((1, 3)), (1, 1), "x"), NotImplementedError, "Unrecognised padding mode"),
    (lambda: F.relu("text"), TypeError, "input"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_wrong_calls(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_padding():
    x = np.arange(6.0).reshape(2, 3)
    assert F.pad(x, (-1, 2), value=9)[0].tolist() == [1, 2, 9, 9]
    assert F.pad(x, (1, 1), "replicate")[0].tolist() == [0, 0, 1, 2, 2]
    assert F.pad(x, (1, 2), "circular")[0].tolist() == [2, 0, 1, 2, 0, 1]
    assert F.pad(x, (1, 1), "reflect")[1].tolist() == [4, 3, 4, 5, 4]
    assert F.pad(x, (0, 0, 1, 0)).shape == (3, 3) and F.pad(x > 1, (1, 1)).dtype == bool


def test_a_table_is_not_copied_and_may_be_mapped(tmp_path):
    np.save(tmp_path / "table.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    module = nn.Embedding.from_pretrained(mapped)
    assert np.shares_memory(module.weight, mapped) and not module.weight.flags.writeable
    assert module([[3, 0]]).tolist() == [[[9, 10, 11], [0, 1, 2]]]
    module = nn.Embedding(4, 3)
    module.weight = mapped
    assert np.shares_memory(module.weight, mapped)


def test_masks_of_dropout_are_those_of_an_lstm_and_follow_the_seed():
    nn.manual_seed(3)
    first = F.dropout(np.ones((50, 4), np.float32), 0.3)
    nn.manual_seed(3)
    assert F.dropout(np.ones((50, 4), np.float32), 0.3).tobytes() == first.tobytes()
    assert set(first.ravel().tolist()) == {0.0, float(np.float32(1) / np.float32(0.7))}
    nn.manual_seed(3)
    across = F.dropout(np.ones((4, 50), np.float32).T, 0.3)  # drawn in the order of memory
    assert across.T.ravel().tobytes() == first.ravel().tobytes()
    x = np.ones(3)
    assert nn.Dropout(0.5).eval()(x) is x and F.dropout(x, 0.5, training=False) is x


def test_a_tree_is_loaded_from_a_file_copied_and_pickled(tmp_path):
    def model():
        return nn.Sequential(nn.Embedding(9, 4), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.Softmax(-1))

    given = model().eval()
    nn.save(
        {f"net.{name}": a for name, a in given.state_dict().items()}, tmp_path / "m.safetensors"
    )
    other = model().eval()
    state = nn.load(tmp_path / "m.safetensors", flat=True, prefix="net")
    other.load_state_dict(state)
    ids = np.arange(9)
    for each in (other, copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        assert each(ids).tobytes() == given(ids).tobytes()
    del state["1.num_batches_tracked"]  # as files of torch before 0.4.1
    assert not other.load_state_dict(state).missing_keys


def test_names_that_are_not_there_teach():
    for name in ("Transformer", "Conv2d", "cross_entropy"):
        with pytest.raises(AttributeError, match=r"has it, and pylstm.*docs/torch-to-numpy.md"):
            getattr(nn, name)
    with pytest.raises(AttributeError, match=r"it is pylstm\.functional\.relu"):
        nn.relu  # noqa: B018
    with pytest.raises(AttributeError, match=r"Did you mean 'Softmax'"):
        nn.Softmx  # noqa: B018
    with pytest.raises(AttributeError, match=r"'pylstm' has no attribute 'foo'$"):
        nn.foo  # noqa: B018
    with pytest.raises(AttributeError, match=r"torch\.nn\.functional has it"):
        F.conv2d  # noqa: B018
    with pytest.raises(AttributeError, match=r"Did you mean 'softmax'"):
        F.sofmax  # noqa: B018
