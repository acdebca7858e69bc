"""``load``: what a weight file holds, as it was saved or as one dictionary of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ..arguments.naming import type_name
from .base.errors import WeightFileError
from .base.tensor import Arrays
from .open import open_weights

if TYPE_CHECKING:
    import numpy.typing as npt


@overload
def load(
    source: Any, mmap: bool = False, *, flat: Literal[True], prefix: str = ""
) -> dict[str, npt.NDArray[Any]]: ...


@overload
def load(source: Any, mmap: bool = False, *, flat: bool = False, prefix: str = "") -> Any: ...


def load(source: Any, mmap: bool = False, *, flat: bool = False, prefix: str = "") -> Any:
    """Read a weight file without torch and without running anything that it names.

    Torch files of ``torch.save`` and ``torch.jit.save`` in both of torch's formats, safetensors,
    ``.npz``, ``.npy``, skops, pickles of NumPy arrays, ``torch.export``, ONNX and Keras, and zip
    archives with such files of torch or safetensors inside, are told apart by their content.

    Parameters
    ----------
    source : str, os.PathLike, bytes, bytearray, memoryview or binary file object
        A file object is read from its present position and left open. Weights in several files are
        read as a whole: ``source`` is the path of their folder, of their index
        (``model.safetensors.index.json``) or of one of them with the index beside it. A folder
        with one ``model.safetensors`` or ``pytorch_model.bin`` stands for that file; a folder of
        torch.distributed.checkpoint is read by its ``.metadata``.
    mmap : bool, default False
        Map the file into memory instead of reading it, where its bytes can stand as they are:
        such arrays are read-only and read when they are used. The file must not shrink meanwhile.
    flat : bool, default False
        Return one dictionary from dotted names to arrays, as a ``state_dict`` is, whatever the file
        holds: a checkpoint, a whole module, TorchScript. What is no array is left out.
    prefix : str, default ""
        With ``flat=True``, the path to a part of the file: only the arrays below it are read, and
        their names begin there. The end of a path will do if no other ends so.

    Returns
    -------
    object
        What was saved: dictionaries, lists, tuples, numbers, strings, and a ``numpy.ndarray`` for
        each tensor, in its own dtype (bfloat16 and 8-bit floats widened to float32) and with its
        own strides; a bare storage is an array of one axis. Tensors that shared memory share it.
        Objects of other classes are inert :class:`~pylstm.files.Record`. With ``flat=True`` a
        dictionary, from which ``find_lstms`` and ``from_weights`` still learn what the file says
        of its modules.

    Raises
    ------
    WeightFileError
        If the content is damaged, hostile or of no format that pylstm reads; with ``flat=True``
        also if two arrays get the same name, or nothing is below ``prefix``.
    OSError
        If the file cannot be opened, or there is no model in the folder.
    TypeError, ValueError
        If ``prefix`` is no str, or is given without ``flat=True``.

    Notes
    -----
    With ``flat=True`` items of lists are counted by their index, ``/`` becomes ``.``, one before a
    name goes, and so does what wrappers put into names: ``_orig_mod.`` of ``torch.compile``, and
    the ``module.`` of ``DataParallel`` where all keys of a mapping begin so. An array that has no
    name, as the one of a ``.npy`` file, is called ``"array"``. A module that stands in several
    places has the names of all of them.

    ONNX and Keras files give the recurrent layers that pylstm can run as torch lays them out
    (``"encoder.weight_ih_l0"``), and all arrays of the file in its own layout under their own
    names; the prefix of such a layer gives the layer's parameters alone.

    Of tensors that share memory Hugging Face's libraries write one, and the other names beside it:
    all of them lead to that tensor, whatever view of it they were.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> pylstm.save({"weight": np.ones((2, 3), "f4")}, "weights.safetensors")
    >>> pylstm.load("weights.safetensors")["weight"].shape
    (2, 3)

    One module out of a checkpoint:

    >>> encoder = pylstm.LSTM(3, 4)
    >>> pylstm.save({"model": {"encoder": encoder.state_dict()}}, "checkpoint.pt")
    >>> encoder.load_state_dict(pylstm.load("checkpoint.pt", flat=True, prefix="model.encoder"))
    <All keys matched successfully>
    """
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, not {type_name(prefix)}")
    if not flat:
        if prefix:
            raise ValueError("prefix needs flat=True: load(source, flat=True, prefix=...)")
        with open_weights(source, Arrays(mmap)) as file:
            return file.tree
    from .flat import flat_view, read

    with open_weights(source) as file:
        try:
            return read(flat_view(file, prefix.removesuffix(".")), mmap)
        except MemoryError:
            reason = "there is not enough memory to read it"
            raise WeightFileError(file.name, "", reason) from None


# Where users find it: pickles name that place, wherever the file lies.
load.__module__ = "pylstm"
