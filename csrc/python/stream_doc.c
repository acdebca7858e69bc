#include "stream_doc.h"

const char stream_doc[] =
    "Stream(module, batch=1, hx=None)\n--\n\n"
    "A layer that keeps the states of its sequences between calls; layer.stream() makes one.\n\n"
    "Each of the N rows is a sequence of its own. Its outputs have the bits of the sequence run\n"
    "whole through the layer, however it is cut into calls and whichever rows go with it.\n\n"
    "Parameters\n----------\n"
    "module : LSTM, GRU or RNN\n"
    "    A layer of one forward direction, which is not copied: a change of its parameters counts\n"
    "    from the next call of the stream.\n"
    "batch : int\n"
    "    Rows, N; 0 will do, for rows that join later.\n"
    "hx : array_like, or of an LSTM a tuple or list of two, optional\n"
    "    The first states, ``(num_layers, N, features)`` each; zeros if omitted.\n\n"
    "Raises\n------\n"
    "ValueError\n"
    "    If the layer is bidirectional or has ``reverse=True``. Also, here and in each call, if "
    "it\n"
    "    has hooks, or a forward() or __call__() of its own, which a stream would leave out, or a\n"
    "    dropout that acts: in training mode, with several layers.\n\n"
    "Notes\n-----\n"
    "Whatever changes the stream happens as a whole or, on any error, not at all. ``batch_first``\n"
    "of the layer is ignored. One thread at a time may use a stream: a second one, and code that\n"
    "a call itself runs, gets a RuntimeError. ``copy.copy`` is :meth:`fork`; ``copy.deepcopy`` "
    "and\n"
    "pickle carry the layer too. Where the layer goes from float32 to float64, the next call\n"
    "takes the states along; where it goes back, which would round them, calls are a TypeError.\n\n"
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
    "    ``(N, input_size)``, one step, or ``(L, N, input_size)``, of real numbers.\n"
    "rows : array_like of int, optional\n"
    "    Which K rows, in any order, each once: K takes the place of N in input and output.\n"
    "out : ndarray, optional\n"
    "    What the output is written to: of its shape and dtype, writable, contiguous in the last\n"
    "    axis and apart from input. Ctrl-C in a long call may leave it half written.\n\n"
    "Returns\n-------\n"
    "output : ndarray\n"
    "    That of the last layer, ``(N, H_out)`` or ``(L, N, H_out)``; out itself if that is "
    "given.\n\n"
    "Raises\n------\n"
    "ValueError, IndexError, TypeError\n"
    "    For shapes that do not fit and a row that is named twice; for a row that is negative or\n"
    "    absent; for wrong dtypes, also for a mask as rows. See also :class:`Stream`.\n"
    "RuntimeError\n"
    "    If the stream is in use, or the layer was constructed anew with other sizes.";

const char stream_module_doc[] = "The layer, which forks of the stream share.";

const char stream_state_doc[] =
    "The states: of an LSTM (h, c), else h, each ``(num_layers, N, features)``.\n\n"
    "Reading gives copies. What a call of the layer takes as hx may be assigned; None resets.";

const char stream_reset_doc[] = "reset($self, rows=None)\n--\n\n"
                                "Set the states to zero: of the rows, each named once, or of all.";

const char stream_fork_doc[] =
    "fork($self, /)\n--\n\n"
    "Return a second stream of the same module, with a copy of the states.";

const char stream_select_doc[] =
    "select($self, rows, /)\n--\n\n"
    "Make row i what ``rows[i]`` was: reorders, repeats and drops rows, as a beam search does.\n\n"
    "There are as many rows from then on as were named.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=3)\n"
    ">>> stream.select([2, 2, 0, 0])\n"
    ">>> len(stream)\n"
    "4";

const char stream_join_doc[] =
    "join($self, n, /)\n--\n\n"
    "Append n rows whose states are zero, and return their indices, an array of int64.";

const char stream_leave_doc[] =
    "leave($self, rows, /)\n--\n\n"
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
