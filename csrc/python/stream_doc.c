#include "stream_doc.h"

const char stream_doc[] =
    "Stream(module, batch=1, hx=None)\n--\n\n"
    "A layer that keeps the states of its sequences between calls; layer.stream() makes one.\n\n"
    "Each of the N rows is a sequence of its own. Its outputs equal, in every bit, those of one\n"
    "call of the layer with the whole sequence, however it is cut into calls and whichever rows\n"
    "share a call.\n\n"
    "Parameters\n----------\n"
    "module : LSTM, GRU or RNN\n"
    "    A layer of one forward direction, which is not copied: a change of its parameters counts\n"
    "    from the next call of the stream.\n"
    "batch : int\n"
    "    Number of rows, N; 0 is allowed: rows can join later.\n"
    "hx : array_like, or of an LSTM a tuple or list of two, optional\n"
    "    The first states, ``(num_layers, N, features)`` each; zeros if omitted.\n\n"
    "Raises\n------\n"
    "ValueError\n"
    "    If the layer is bidirectional or has ``reverse=True``. Also, here and in each call, if "
    "it\n"
    "    has hooks, or a forward() or __call__() of its own, which a stream would leave out, or a\n"
    "    dropout that acts: in training mode, with several layers (call eval()).\n\n"
    "Notes\n-----\n"
    "A call or a method that raises leaves the states and the rows as they were. ``batch_first``\n"
    "of the layer is ignored. One thread at a time may use a stream: a second one, and code that\n"
    "a call itself runs, gets a RuntimeError. ``copy.copy`` is :meth:`fork`; ``copy.deepcopy`` "
    "and\n"
    "pickle copy the layer too. After the layer is converted from float32 to float64, the next\n"
    "call converts the states; after the opposite, which would round them, a call raises a\n"
    "TypeError.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.LSTM(3, 4).stream(batch=2)\n"
    ">>> stream(np.ones((2, 3))).shape  # one step of both rows\n"
    "(2, 4)\n"
    ">>> stream(np.ones((5, 1, 3)), rows=[1]).shape  # five steps of the second\n"
    "(5, 1, 4)\n"
    ">>> stream.join(1), len(stream)\n"
    "(array([2]), 3)";

const char stream_call_doc[] =
    "__call__($self, input, *, rows=None, out=None)\n--\n\n"
    "Advance all rows, or some, by one step or several.\n\n"
    "Parameters\n----------\n"
    "input : array_like\n"
    "    ``(N, input_size)``, one step, or ``(L, N, input_size)``, of real numbers. Never an\n"
    "    unbatched sequence.\n"
    "rows : array_like of int, optional\n"
    "    Which K rows have input, in any order, each once: input and output then have K in the\n"
    "    place of N. Of a mask, ``np.flatnonzero(mask)``.\n"
    "out : ndarray, optional\n"
    "    What the output is written to: of its shape and dtype, writable, contiguous in the last\n"
    "    axis and apart from input. Ctrl-C in a long call may leave it half written.\n\n"
    "Returns\n-------\n"
    "output : ndarray\n"
    "    That of the last layer, ``(N, H_out)`` or ``(L, N, H_out)``; out itself if that is "
    "given.\n"
    "    The states stay in the stream: :attr:`state`.\n\n"
    "Raises\n------\n"
    "ValueError, IndexError, TypeError\n"
    "    For shapes that do not fit and a row that is named twice; for a row that is negative or\n"
    "    absent; for wrong dtypes, also for a mask as rows. See also :class:`Stream`.\n"
    "RuntimeError\n"
    "    If the stream is in use, or the layer was constructed anew with other sizes.";

const char stream_module_doc[] = "The layer, which forks of the stream share.";

const char stream_state_doc[] =
    "The states: of an LSTM (h, c), else h, each ``(num_layers, N, features)``.\n\n"
    "Reading gives copies. What a call of the layer takes as hx can be assigned; None sets all\n"
    "states to zero.";

const char stream_reset_doc[] =
    "reset($self, rows=None)\n--\n\n"
    "Set the states of some rows, each named once, or of all to zero.\n\n"
    "Rows are row numbers; of a mask, ``np.flatnonzero(mask)``.";

const char stream_fork_doc[] =
    "fork($self, /)\n--\n\n"
    "Return a second stream of the same module, with a copy of the states.";

const char stream_select_doc[] =
    "select($self, rows)\n--\n\n"
    "Make row i what ``rows[i]`` was: reorders, repeats and drops rows, as a beam search does.\n\n"
    "The stream then has ``len(rows)`` rows.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=3)\n"
    ">>> stream.select([2, 2, 0, 0])\n"
    ">>> len(stream)\n"
    "4";

const char stream_join_doc[] =
    "join($self, n)\n--\n\n"
    "Append n rows whose states are zero, and return their indices, an array of int64.";

const char stream_leave_doc[] =
    "leave($self, rows)\n--\n\n"
    "Remove rows, each named once.\n\n"
    "The others keep their order and close the gaps: the index of each falls by the number of\n"
    "rows that were removed before it.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=5)\n"
    ">>> stream.leave([0, 3])  # what was 1, 2, 4 is now 0, 1, 2\n"
    ">>> len(stream)\n"
    "3";

const char stream_reduce_doc[] = "__reduce__($self, /)\n--\n\nFor copies and pickles.";
