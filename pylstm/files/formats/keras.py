"""Keras models and weights: their recurrent layers, with weights as torch lays them out.

Three layouts are read: ``.keras`` archives and ``.weights.h5`` files, in which Keras 3 numbers the
variables of a layer, and the older ``.h5`` files, which name them.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from ...weights.kinds import GRU, RNN, Kind, with_article
from ...weights.variants import Said, as_options, refused
from ..base.extras import Leaves, answering_for
from ..base.hdf5 import Hdf5File
from ..base.record import Record, RecurrentLayer, Unsupported
from ..base.source import Segment, Source
from ..base.tensor import Make, Tensor
from ..base.zip_archive import ZipArchive
from . import keras_config
from .keras_layouts import Found, claimed_once, in_order, numbered
from .keras_legacy import named
from .keras_names import CLASSES, Roles, is_of_cudnn, kind_by_weights
from .keras_settings import (
    Settings,
    cell_settings,
    default_gate,
    is_before,
    is_of_cudnn_class,
    settings_of,
)
from .keras_weights import Weights

if TYPE_CHECKING:
    from ..base.tensor import Bytes

_SUFFIXES = {"forward": "_l0", "backward": "_l0_reverse"}

# How Keras names the files of weights that it splits; the index is a .json file.
_SHARD = re.compile(r".*_[0-9]{5}\.weights\.h5")
_MOST_PAIRS = 4_000_000  # each layer is looked for in each dataset's path
# Weights hardly become smaller by deflating. What is larger by more than this holds none.
_MOST_EXPANSION, _SPARE_BYTES = 3, 1 << 25


def read(source: Source, make: Make) -> dict[str, Any]:
    """Return the recurrent layers of a Keras file by name.

    A configuration decides what a layer is. Where the file has none for it, as in files of nothing
    but weights and in layers of a program's own, what Keras does by default is assumed, and the
    layer says so.

    Parameters
    ----------
    source : Source
    make : callable
        Called with each weight.

    Returns
    -------
    dict of str to Record or Unsupported
        The layers of a model inside another have that one's name in front.

    Raises
    ------
    ImportError
        Without the package ``h5py``.
    """
    content, config, version = _opened(source)
    with answering_for("h5py", source), Hdf5File(content) as file:
        weights = dict(file.tensors())
        config, version = _about(file, config, version)
        for path, weight in weights.items():
            if isinstance(weight, Tensor):
                source.arrays[path] = weight
            else:
                source.unreadable[path] = weight
        source.unreadable.update(dict.fromkeys(file.elsewhere, "is in another file"))
        if version:
            source.metadata["keras_version"] = version[:40]
        with answering_for("json", source):
            model = keras_config.configuration(source, config)
        layers = 0 if model is None else len(model.by_group)
        if len(weights) * layers > _MOST_PAIRS:
            raise source.error("", f"{layers} layers and {len(weights)} datasets")
        doubled = is_before(version, 2, 14)
        found = numbered(weights, model, partial(_label, file), source.error, doubled)
        found += named(weights, model, file.attributes)
    modules = _Modules(source, version, make)
    leaves = Leaves()
    for each in in_order(claimed_once(found), model):
        leaves.add(each.name, modules.leaf(each))
    return leaves.tree


def _about(file: Hdf5File, config: str | None, version: str) -> tuple[str | None, str]:
    """Return configuration and Keras's version, of the archive if there is one around the file."""
    for path in ("", "model_weights"):
        attributes = file.attributes(path)
        if attributes is not None:
            config = attributes.text("model_config") if config is None and not path else config
            version = version or attributes.text("keras_version") or ""
    return config, version


def _label(file: Hdf5File, group: str) -> str | None:
    """Return the name that a file gives a layer: None if the group is none of a layer's."""
    attributes = file.attributes(f"{group}/vars")
    return None if attributes is None else attributes.text("name") or ""


def _opened(source: Source) -> tuple[Segment, str | None, str]:
    """Return the HDF5 file; configuration and Keras's version if an archive is around it."""
    if source.read(0, min(2, source.size)) != b"PK":
        return Segment(source, 0, source.size, ""), None, ""
    archive = ZipArchive(source)
    content = archive.open("model.weights.h5")
    if not isinstance(content, Segment):
        if content.size > _MOST_EXPANSION * source.size + _SPARE_BYTES:
            raise source.error(content.record, "inflates to more than weights would")
        inflated = Source(source.name, memoryview(_whole(content)))
        content = Segment(inflated, 0, inflated.size, content.record)
    texts = {}
    for name in ("config.json", "metadata.json"):
        if name in archive.entries:
            entry = archive.open(name)
            if entry.size > keras_config.MOST_TEXT:
                raise source.error(name, f"is too long: {entry.size} bytes")
            texts[name] = _whole(entry).decode("utf-8", "replace")
    version = re.search(r'"keras_version": *"([^"]*)"', texts.get("metadata.json", ""))
    return content, texts.get("config.json"), version[1] if version else ""


def _whole(content: Bytes) -> bytearray:
    buffer = bytearray(content.size)
    content.readinto(0, memoryview(buffer))
    return buffer


class _Modules:
    """Makes modules of the weights of a file."""

    def __init__(self, source: Source, version: str, make: Make) -> None:
        self._source = source
        self._version = version
        self._make = make
        self._weights = Weights(source)

    def leaf(self, found: Found) -> Record | Unsupported:
        """Return the module that a layer is, or why there is none."""
        layer = found.layer
        problems = [found.problem] if found.problem else []
        settings = Settings(None, [], [])
        if layer is not None and (layer.is_recurrent or not problems):
            settings = settings_of(layer, self._version)
            problems += settings.problems
        kind = settings.kind or next(
            filter(None, map(kind_by_weights, found.weights.values())), None
        )
        said = self._said(found, settings, kind)
        problems += refused("LSTM" if kind is None else kind.mode, said)
        tensors: dict[str, Tensor] = {}
        for direction in sorted(found.weights, reverse=True):  # forward first
            roles = found.weights[direction]
            if not problems:
                problems += _misshapen(roles, kind)
            if not problems:
                problems += self._unknown_gates(roles, kind) if layer is None else []
                problems += [] if layer is None else _misfits(roles, layer, direction, kind)
            if not problems and kind is not None:
                for name, tensor in self._weights.torch_tensors(roles, kind).items():
                    tensors[name + _SUFFIXES[direction]] = tensor
        if found.bidirectional and len(found.weights) < 2:
            problems.append("the weights of one direction are missing")
        if found.assumed and not problems:
            problems += [found.doubt] if found.doubt else self._missing(found)
        if problems or kind is None:
            told = f"Keras {_class_of(found, kind)} layer"
            return Unsupported(told, "; ".join(dict.fromkeys(problems)))
        merged = {} if settings.merge_mode is None else {"merge_mode": settings.merge_mode}
        state = {
            "batch_first": layer is None or keras_config.batch_first(layer),
            **as_options(said),
            **merged,
            "_parameters": {name: self._make(tensor) for name, tensor in tensors.items()},
        }
        return RecurrentLayer(f"keras.{kind.mode}", state, assumed=self._assumed(found, kind))

    def _said(self, found: Found, settings: Settings, kind: Kind | None) -> list[Said]:
        """Return what a layer is that torch's is not; without a configuration its bias may tell."""
        is_open = settings.kind is None and kind is GRU and bool(found.weights)
        if is_open and all(map(_has_one_bias, found.weights.values())):
            text = "its reset gate acts before the product, as its one bias tells"
            return [Said("reset_after", False, text)]
        return settings.said

    def _missing(self, found: Found) -> list[str]:
        """Say what may be in another file: Keras splits weights wherever one is full."""
        name = re.split(r"[/\\]", self._source.name)[-1]
        if not _SHARD.fullmatch(name) or all("bias" in roles for roles in found.weights.values()):
            return []
        return [f"it has no bias here, and {name[:100]!r} is one file of several"]

    def _assumed(self, found: Found, kind: Kind) -> dict[str, Any]:
        """Return the arguments that a file without a configuration leaves open."""
        if not found.assumed:
            return {}
        if found.bidirectional:
            self._source.metadata["merge_mode"] = "not in the file; 'concat' is assumed"
        has_biases = all("bias" in roles for roles in found.weights.values())
        computed: dict[str, Any] = {"gate_activation": "sigmoid", "activation": "tanh"}
        if kind is RNN:
            computed = {"nonlinearity": "tanh"}
        elif all(map(is_of_cudnn, found.weights.values())):  # which has no others
            computed = {}
        elif kind is GRU and not has_biases:
            computed["reset_after"] = True
        biases = {} if has_biases else {"bias": False}
        merged = {"merge_mode": "concat"} if found.bidirectional else {}
        return {**computed, "reverse": False, **merged, "batch_first": True, **biases}

    def _unknown_gates(self, roles: Roles, kind: Kind | None) -> list[str]:
        if default_gate(self._version) == "sigmoid" or kind is RNN or is_of_cudnn(roles):
            return []
        return [
            f"Keras {self._version[:40]} wrote no configuration with it: its gates may be sigmoid "
            "or, by default before 2.3, hard_sigmoid; the program that made the model can save "
            "them with the configuration (model.save)"
        ]


def _has_one_bias(roles: Roles) -> bool:
    bias = roles.get("bias")
    return isinstance(bias, Tensor) and bias.ndim == 1 and not is_of_cudnn(roles)


def _class_of(found: Found, kind: Kind | None) -> str:
    """Return the class of a layer, told from its weights if need be."""
    if found.layer is not None:
        return found.layer.class_name
    if kind is not None:
        return CLASSES[kind]
    return "LSTM" if found.problem and not found.weights else "recurrent"


def _misshapen(roles: Roles, kind: Kind | None) -> list[str]:
    """Say why the weights of one direction are not those of their kind."""
    shapes: dict[str, tuple[int, ...]] = {}
    for role, weight in roles.items():
        if isinstance(weight, str):
            return [f"its {role} {weight}"]
        if weight.dtype.kind != "f":
            return [f"its {role} is not of floating-point numbers, but of {weight.storage.dtype}"]
        shapes[role] = weight.shape
    kernel, recurrent = shapes.get("kernel", ()), shapes.get("recurrent_kernel", ())
    units = recurrent[0] if recurrent else 0
    if kind is not None:
        columns = kind.rows(units)
        fits = len(kernel) == 2 and kernel[1] == columns and recurrent == (units, columns)
        biases: list[tuple[int, ...]] = [(columns,)]
        biases += [] if kind is RNN else [(2 * columns,)]
        biases += [(2, columns)] if kind is GRU else []
        if fits and shapes.get("bias", (columns,)) in biases:
            return []
    told = ", ".join(f"{role} {shape}" for role, shape in sorted(shapes.items()))
    which = "an LSTM, GRU or SimpleRNN" if kind is None else with_article(CLASSES[kind])
    return [f"the shapes of its weights are not those of {which}: {told}"]


def _misfits(
    roles: dict[str, Any], layer: keras_config.Layer, direction: str, kind: Kind | None
) -> list[str]:
    """Say where the weights of one direction are others than the configuration says."""
    settings = cell_settings(layer, direction)
    units, use_bias = settings.get("units"), settings.get("use_bias")
    found = []
    if type(units) is int and units != roles["recurrent_kernel"].shape[0]:
        shape = roles["recurrent_kernel"].shape
        found.append(
            f"its recurrent_kernel is {shape}, the configuration says units={str(units)[:20]}"
        )
    if isinstance(use_bias, bool) and use_bias != ("bias" in roles):
        held = "a bias" if "bias" in roles else "no bias"
        found.append(f"it has {held}, the configuration says use_bias={use_bias}")
    if kind is GRU and "bias" in roles:
        bias = roles["bias"]
        reset_after = settings.get("reset_after") is True
        if is_of_cudnn_class(layer):
            if not is_of_cudnn(roles):
                found.append(f"its bias is {bias.shape}, not that of a CuDNNGRU")
        elif is_of_cudnn(roles) or (bias.ndim == 2) != reset_after:
            told = f"the configuration says reset_after={reset_after}"
            found.append(f"its bias is {bias.shape}, {told}")
    elif kind is GRU and is_of_cudnn_class(layer):
        found.append("it has no bias, as each CuDNNGRU has")
    return found
