"""Embedding: a table whose rows are looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .._core import as_array
from ..arguments.dtypes import check_device, construction_dtype
from .draws import standard_normal
from .module import Module
from .sizes import checked_sizes

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Embedding(Module):
    """Rows of a table by their numbers: words, characters, classes.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        V and E: the rows of the table, and their length.
    padding_idx : int, optional
        A row that is zero at first.
    max_norm, norm_type : float, optional
        Rows that are asked for and longer are scaled down in the table itself, as torch does.
    scale_grad_by_freq, sparse : bool
        As torch takes them; they change gradients alone.
    device : None or "cpu"
        There is no other.
    dtype : dtype, optional
        float32 (the default) or float64, in any spelling of NumPy's or torch's.

    Attributes
    ----------
    weight : ndarray
        (V, E), at first normal numbers with torch's bits. A float table of the user's own is
        kept as it is when it is assigned; it may be memory-mapped.

    Notes
    -----
    Mirrors ``torch.nn.Embedding``. A look-up reads the rows that are asked for and copies no table.
    Negative numbers are errors.

    Examples
    --------
    >>> import numpy as np, pylstm
    >>> words = pylstm.Embedding(10, 3, padding_idx=0)
    >>> words(np.array([[1, 2, 0, 0]])).shape
    (1, 4, 3)
    """

    if TYPE_CHECKING:
        weight: Array

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        name = construction_dtype(dtype)
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx = padding_idx + num_embeddings if padding_idx < 0 else padding_idx
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            shape = checked_sizes(
                [("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)]
            )
            self.register_parameter("weight", np.empty(shape, name))
            self.reset_parameters()
        else:
            if list(np.shape(_weight)) != [num_embeddings, embedding_dim]:
                raise AssertionError(
                    "Shape of weight does not match num_embeddings and embedding_dim"
                )
            self.register_parameter("weight", _weight)

    def reset_parameters(self) -> None:
        """Draw the table anew from the normal distribution; the row of ``padding_idx`` is zero."""
        table = standard_normal(self.weight.shape, self.weight.dtype.name)
        if self.padding_idx is not None:
            table[self.padding_idx] = 0
        np.copyto(self.weight, table)

    def forward(self, input: npt.ArrayLike) -> Array:
        """Return the rows with the numbers ``input``, whole numbers of any shape."""
        return F.embedding(input, self.weight, None, self.max_norm, self.norm_type)

    def extra_repr(self) -> str:
        """Return what ``repr()`` shows."""
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name, default in (
            ("padding_idx", None),
            ("max_norm", None),
            ("norm_type", 2),
            ("scale_grad_by_freq", False),
        ):
            value = getattr(self, name)
            if value is not default and value != default:
                shown.append(f"{name}={value}")
        return ", ".join(shown + ["sparse=True"] * (self.sparse is not False))

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Make a module with a table that is there already.

        Parameters
        ----------
        embeddings : array_like
            (V, E). It is not copied: what is memory-mapped stays so.
        freeze : bool
            As torch takes it; it changes gradients alone.
        padding_idx : int, optional
        max_norm, norm_type : float, optional
        scale_grad_by_freq, sparse : bool
            As for the class.

        Examples
        --------
        >>> import numpy as np, pylstm
        >>> table = np.arange(6, dtype=np.float32).reshape(3, 2)
        >>> pylstm.Embedding.from_pretrained(table)([2, 0]).tolist()
        [[4.0, 5.0], [0.0, 1.0]]
        """
        table = as_array(embeddings, "embeddings", "any")
        if table.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = table.shape
        return cls(
            rows,
            columns,
            _weight=table,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


Embedding.__module__ = "pylstm"
