"""Parameters that files keep in parts: weight norm, spectral norm, pruning, dropped weights."""

import warnings

import numpy as np
import pytest

import pylstm
from pylstm.weights.survey import survey

RNG = np.random.default_rng(20)
KINDS = ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"]


def parameters(kind="LSTM", input_size=3, hidden_size=5):
    """The state_dict of a module as plain arrays."""
    module = getattr(pylstm, kind)(input_size, hidden_size)
    return {name: np.array(value) for name, value in module.state_dict().items()}


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def spelled(name, form, new):
    """``weight_hh_l0_g``, or as torch.nn.utils.parametrizations has it."""
    return f"parametrizations.{name}.{form}" if new else f"{name}_{form}"


def normed(name, weight, shape, new=False):
    g = normal(*shape)
    v = weight.astype(np.float64)
    axes = {(): None, (len(v), 1): 1}.get(shape, 0)
    norm = np.sqrt((v * v).sum(axis=axes)).reshape(shape)
    forms = ("original0", "original1") if new else "gv"
    parts = {spelled(name, forms[0], new): g, spelled(name, forms[1], new): weight}
    return parts, g * v / norm


def unit(count):
    vector = normal(count).astype(np.float64)
    return (vector / np.sqrt(vector @ vector)).astype(np.float32)


def spectral(name, weight, new=False, dim=0):
    rows, columns = weight.shape if dim == 0 else weight.shape[::-1]
    u, v = unit(rows), unit(columns)
    wide = weight.astype(np.float64) if dim == 0 else weight.T.astype(np.float64)
    if u @ wide @ v < 0:
        u = -u
    forms = ("original", "0._u", "0._v") if new else ("orig", "u", "v")
    parts = {
        spelled(name, form, new): part for form, part in zip(forms, (weight, u, v), strict=True)
    }
    return parts, weight / (u.astype(np.float64) @ wide @ v)


def pruned(name, weight):
    mask = (normal(*weight.shape) > 0).astype(np.float32)
    return {f"{name}_orig": weight, f"{name}_mask": mask}, weight * mask


def read(tree, kind="LSTM", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        return getattr(pylstm, kind).from_weights(tree, **options)


def check(state, name, parts, expected, kind="LSTM", prefix=""):
    """Find and read a module with one parameter in parts."""
    tree = {k: v for k, v in state.items() if k != name} | parts
    tree = {f"{prefix}{name}": value for name, value in tree.items()}
    [found] = pylstm.find_recurrent(tree)
    assert list(found.computed) == [name]
    for part in parts:
        assert part in found.computed[name]
    made = read(tree, kind).state_dict()
    assert list(made) == list(state)
    for each, value in made.items():
        if each == name:
            assert value.dtype == np.result_type(expected.astype(np.float32))
            assert value.tobytes() == expected.astype(np.float32).tobytes()
        else:
            assert value.tobytes() == state[each].tobytes()


def name_in(state, side):
    return next(name for name in state if name.startswith(f"weight_{side}"))


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("side", ["ih", "hh"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("along", ["rows", "columns", "all"])
def test_weight_norm(kind, side, new, along):
    state = parameters(kind)
    name = name_in(state, side)
    rows, columns = state[name].shape
    shape = {"rows": (rows, 1), "columns": (1, columns), "all": ()}[along]
    parts, expected = normed(name, state[name], shape, new)
    check(state, name, parts, expected, kind, "net.rnn.")


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LSTMCell", "GRUCell"])
def test_spectral_norm(kind, new, dim):
    state = parameters(kind)
    name = name_in(state, "hh")
    parts, expected = spectral(name, state[name], new, dim)
    tree = {**{k: v for k, v in state.items() if k != name}, **parts}
    value = read(tree, kind).state_dict()[name]
    # The sum of sigma may be taken in another order.
    np.testing.assert_allclose(value, expected, rtol=2e-7, atol=0)


@pytest.mark.parametrize("new", [False, True])
def test_spectral_norm_of_a_square_matrix_is_refused(new):
    state = parameters("RNN")
    parts, _ = spectral("weight_hh_l0", state.pop("weight_hh_l0"), new)
    report = survey(state | parts, "<test>")
    assert not report.candidates
    assert "(dim)" in report.near_misses[0].reason


@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "bias_ih_l0"])
def test_pruning(name):
    state = parameters()
    parts, expected = pruned(name, state[name])
    check(state, name, parts, expected)
    whole = {key: value > 0 if key.endswith("mask") else value for key, value in parts.items()}
    check(state, name, whole, expected)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("wrapper", ["", "rnns.0."])
def test_dropped_weights(left, wrapper):
    """Of torchnlp in the layer itself, of fastai in a wrapper around it."""
    state = parameters()
    raw = normal(*state["weight_hh_l0"].shape)
    tree = {f"{wrapper}{'module.' if wrapper else ''}{k}": v for k, v in state.items()}
    if not left:
        tree = {name: value for name, value in tree.items() if "weight_hh" not in name}
    tree[f"{wrapper}weight_hh_l0_raw"] = raw
    [found] = pylstm.find_lstms(tree)
    assert found.computed == {"weight_hh_l0": "weight_hh_l0_raw"}
    assert read(tree).weight_hh_l0.tobytes() == raw.tobytes()


def test_a_wrapper_at_the_root():
    state = parameters()
    raw = normal(*state["weight_hh_l0"].shape)
    tree = {f"module.{name}": value for name, value in state.items()} | {"weight_hh_l0_raw": raw}
    assert read(tree).weight_hh_l0.tobytes() == raw.tobytes()


def test_a_wrapper_in_nested_mappings():
    state = parameters()
    raw = normal(*state["weight_hh_l0"].shape)
    tree = {"rnns": {"0": {"weight_hh_l0_raw": raw, "module": state}}}
    [found] = pylstm.find_lstms(tree)
    assert (found.prefix, found.computed) == ("rnns.0.module", {"weight_hh_l0": "weight_hh_l0_raw"})
    assert read(tree).weight_hh_l0.tobytes() == raw.tobytes()


def test_several_layers_and_all_ways(tmp_path):
    module = pylstm.LSTM(3, 5, 2, bidirectional=True)
    state = {name: np.array(value) for name, value in module.state_dict().items()}
    ways = {
        "weight_hh_l0": lambda name, w: normed(name, w, (len(w), 1)),
        "weight_hh_l0_reverse": pruned,
        "weight_ih_l1": lambda name, w: spectral(name, w, True),
        "weight_ih_l1_reverse": lambda name, w: normed(name, w, (len(w), 1), True),
    }
    tree, expected = {}, {}
    for name, value in state.items():
        parts, expected[name] = ways[name](name, value) if name in ways else ({name: value}, value)
        tree |= parts
    for suffix in (".pt", ".safetensors", ".npz"):
        path = tmp_path / f"model{suffix}"
        pylstm.save(tree, path)
        [found] = pylstm.find_lstms(path)
        assert set(found.computed) == set(ways)
        made = read(path).state_dict()
        for name, value in expected.items():
            np.testing.assert_allclose(made[name], value, rtol=3e-7, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(dtype):
    state = {name: value.astype(dtype) for name, value in parameters().items()}
    weight = state.pop("weight_hh_l0")
    parts, expected = normed("weight_hh_l0", weight, (len(weight), 1))
    module = read(state | parts)
    assert module.weight_hh_l0.dtype == ("float64" if dtype == "float64" else "float32")
    np.testing.assert_allclose(module.weight_hh_l0, expected, rtol=1e-6)


def test_smaller_weights():
    state = parameters()
    weight = state.pop("weight_hh_l0")
    parts, expected = normed("weight_hh_l0", weight, (len(weight), 1))
    made = read(state | parts, weights="int8")
    plain = read(state | {"weight_hh_l0": expected.astype(np.float32)}, weights="int8")
    assert made.weight_hh_l0.tobytes() == plain.weight_hh_l0.tobytes()


def test_a_second_parametrisation_without_an_array_is_refused():
    class StateDict(dict):
        _metadata = {"a.parametrizations.weight_hh_l0.1": {"version": 1}}  # noqa: RUF012

    state = parameters()
    weight = state.pop("weight_hh_l0")
    parts, _ = normed("weight_hh_l0", weight, (len(weight), 1), True)
    tree = StateDict({f"a.{name}": value for name, value in (state | parts).items()})
    report = survey(tree, "<test>")
    assert not report.candidates
    assert "are several" in report.near_misses[0].reason


def test_a_second_parametrisation_with_arrays_is_refused():
    state = parameters()
    parts, _ = spectral("weight_hh_l0", state.pop("weight_hh_l0"), True)
    other = {"parametrizations.weight_hh_l0.1._u": normal(4)}
    report = survey(state | parts | other, "<test>")
    assert not report.candidates
    assert "weight_hh_l0.1._u" in report.near_misses[0].reason


WRONG = {
    "a length for each half": {"g": (10, 1), "v": (20, 5)},
    "lengths of another axis": {"g": (5, 1), "v": (20, 5)},
    "a length as a row": {"g": (20,), "v": (20, 5)},
    "a mask of another shape": {"orig": (20, 5), "mask": (20, 1)},
    "a vector too many": {"orig": (20, 5), "u": (20,), "v": (20,)},
    "no second vector": {"orig": (20, 5), "u": (20,)},
    "no mask": {"orig": (20, 5)},
    "no length": {"v": (20, 5)},
    "a third axis": {"orig": (20, 5, 1), "u": (20,), "v": (5,)},
    "all of them": {"orig": (20, 5), "u": (20,), "v": (5,), "mask": (20, 5), "g": (20, 1)},
}


@pytest.mark.parametrize("shapes", WRONG.values(), ids=WRONG)
def test_what_is_not_sure_is_refused(shapes):
    state = parameters()
    del state["weight_hh_l0"]
    parts = {f"weight_hh_l0_{form}": normal(*shape) for form, shape in shapes.items()}
    report = survey(state | parts, "<test>")
    assert not report.candidates
    [miss] = report.near_misses
    assert "weight_hh_l0" in miss.reason


@pytest.mark.parametrize("form", ["g", "v"])
@pytest.mark.parametrize("dtype", ["int8", "complex64", "bool"])
def test_dtypes_of_no_weights(form, dtype):
    state = parameters()
    weight = state.pop("weight_hh_l0")
    parts, _ = normed("weight_hh_l0", weight, (len(weight), 1))
    parts[f"weight_hh_l0_{form}"] = parts[f"weight_hh_l0_{form}"].astype(dtype)
    report = survey(state | parts, "<test>")
    assert not report.candidates
    assert dtype in report.near_misses[0].reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: parts["weight_hh_l0_v"].__setitem__(3, 0), "a direction is zero"),
        (lambda parts: parts["weight_hh_l0_v"].fill(0), "the direction is zero"),
        (lambda parts: parts["weight_hh_l0_v"].__setitem__((3, 1), np.nan), "not finite"),
        (lambda parts: parts["weight_hh_l0_g"].__setitem__(3, np.inf), "not finite"),
    ],
)
def test_numbers_that_give_no_weight(change, words):
    state = parameters()
    weight = state.pop("weight_hh_l0")
    parts, _ = normed("weight_hh_l0", weight, (len(weight), 1))
    change(parts)
    with pytest.raises(pylstm.WeightFileError, match=f"weight_hh_l0.*{words}"):
        read(state | parts)


@pytest.mark.parametrize(("part", "factor"), [("u", 0), ("v", 2), ("orig", 0)])
def test_vectors_that_are_no_unit_vectors_and_a_norm_of_zero(part, factor):
    state = parameters()
    parts, _ = spectral("weight_hh_l0", state.pop("weight_hh_l0"))
    parts[f"weight_hh_l0_{part}"] *= factor
    with pytest.raises(pylstm.WeightFileError, match="weight_hh_l0 is divided by its norm"):
        read(state | parts)


def test_large_and_small_numbers():
    """No square leaves the range of float64."""
    for scale in (1e-200, 1e200):
        state = {name: value.astype(np.float64) for name, value in parameters().items()}
        weight = state.pop("weight_hh_l0")
        parts, expected = normed("weight_hh_l0", weight, (len(weight), 1))
        parts["weight_hh_l0_v"] = weight * scale
        np.testing.assert_allclose(read(state | parts).weight_hh_l0, expected, rtol=1e-12)


def test_found_records_that_earlier_versions_pickled():
    [found] = pylstm.find_lstms(pylstm.LSTM(2, 3).state_dict())
    state = {name: value for name, value in vars(found).items() if name != "computed"}
    again = object.__new__(type(found))
    again.__setstate__(state)
    assert again == found
    assert "computed" not in repr(found)
