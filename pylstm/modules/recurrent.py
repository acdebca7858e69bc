"""What the recurrent layers and the cells share beside their parameters in C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arguments.variants import own_variants
from .native import NativeModule

if TYPE_CHECKING:
    from typing import Self


class RecurrentModule(NativeModule):
    """A module that weight files are searched for, and whose weights can be compressed."""

    def _recorded_options(self) -> dict[str, Any]:
        own, name = own_variants(self), getattr(self, "nonlinearity", None)
        is_told = name == "relu" or (own and name == "tanh")
        return {**own, "nonlinearity": name} if is_told else own

    def reset_parameters(self) -> None:
        """Draw all parameters anew from U(-s, s) with s = 1 / sqrt(hidden_size).

        The numbers come from the generator that :func:`pylstm.manual_seed` seeds, in torch's
        order: the same seed gives the same bits as torch.

        Examples
        --------
        >>> import pylstm
        >>> pylstm.manual_seed(0)
        >>> lstm = pylstm.LSTM(2, 3)
        >>> first = lstm.weight_ih_l0.copy()
        >>> lstm.reset_parameters()  # goes on where the generator stands
        >>> bool((lstm.weight_ih_l0 == first).any())
        False
        """
        super().reset_parameters()

    @classmethod
    def from_weights(cls, source: Any, prefix: str | None = None, **options: Any) -> Self:
        """Make a module with the parameters of a weight file; their shapes tell its sizes.

        No torch is needed, nothing in the file is run, and of its numbers only those of this
        module are read. No random number is drawn.

        Parameters
        ----------
        source : str, os.PathLike, bytes, binary file object or mapping
            A weight file of any format that :func:`pylstm.load` reads, or what it returned, or
            any mapping of names to arrays, nested or not.
        prefix : str, optional
            The dotted path to the module in the file, or the end of it: ``"encoder.lstm"`` finds
            ``"state_dict.encoder.lstm"`` if nothing else ends so. May be omitted where there is
            only one of this class. :func:`pylstm.find_recurrent` lists them. Where none fits, a
            cell of the kind is read as a layer, or a layer that has one forward direction, no
            other layers and no projection as a cell.
        **options
            What shapes cannot tell: ``dtype``, ``device`` and, for a layer, ``batch_first`` and
            ``dropout``. A file with a whole module records the last two, and whether the module
            is in training mode; they are the defaults then. The dtype is float64 if any of the
            parameters is float64, else float32.

            ``weights`` : str
                A storage, as :func:`pylstm.compress` takes it: the weights are compressed while
                they are read, without a float32 copy of the whole. By default the file decides: one
                that a compressed module was saved to makes such a module, and with ``"float32"``
                or a dtype of float64 one of the floats that its weights stand for. Short floats
                that no compressed module was saved to are floats.

            Then the answers to what a file may leave open:

            ``bias`` : bool
                True gives zeros to a module that has no biases in the file.
            ``nonlinearity`` : str
                ``"tanh"`` or ``"relu"``, of an RNN or RNNCell: no ``state_dict`` says it.
            ``gate_activation``, ``activation``, ``cell_clip``, ``reset_after``, ``reverse``
                As the constructor takes them; what the file says holds.
            ``merge_mode`` : str
                How Keras joins the outputs of two directions, ``"concat"`` by default. What else a
                file says must be repeated here: the module gives both, and its caller joins them.

            ``**found.assumed`` of the :class:`FoundRecurrent` confirms all that was assumed.

        Returns
        -------
        module
            Of this class; a subclass is constructed with its base's arguments, by name.

        Raises
        ------
        WeightFileError
            If the file is damaged, holds no such module or several, or says something else than
            an answer; a ``ValueError``. The text lists what there is.
        ValueError
            If an answer asks for what pylstm does not compute, or ``weights`` for no storage, or
            for one in a module of float64.
        TypeError
            For an option that is none, or an answer of the wrong type.

        Warns
        -----
        WeightFileWarning
            If numbers depend on what was assumed and not answered: by a Keras file without the
            configuration of the layer, for instance, by a ``state_dict`` of an RNN, or by a file
            of PaddlePaddle, whose layers are batch first unless their program says otherwise. Also
            if the file starts from constant states that are not zero: :func:`find_recurrent` gives
            them as ``initial_states``.

        Examples
        --------
        >>> import pylstm
        >>> checkpoint = {"epoch": 3, "model": pylstm.LSTM(4, 8, 2).state_dict(prefix="tagger.")}
        >>> pylstm.LSTM.from_weights(checkpoint, "tagger", batch_first=True)
        LSTM(4, 8, num_layers=2, batch_first=True)
        """
        from ..weights.build import from_weights  # many programs read no files

        return from_weights(cls, source, prefix, options)
