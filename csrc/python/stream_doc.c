#include "stream_doc.h"

const char stream_doc[] =
    "Stream(module, batch=1, hx=None)\n--\n\n"
    "A layer that keeps the states of its sequences between calls: layer.stream() makes it.\n\n"
    "Each of the N rows is a sequence of its own. Its output has the bits of the sequence run\n"
    "whole through the layer, however it is cut into calls and whichever rows go with it.\n\n"
    "Parameters\n----------\n"
    "module : LSTM, GRU or RNN\n"
    "    A layer of one forward direction. It is not copied: whatever changes its parameters\n"
    "    counts from the next call of the stream.\n"
    "batch : int\n"
    "    Rows, N; 0 will do, for rows that join later.\n"
    "hx : array_like, or of an LSTM a tuple or list of two, optional\n"
    "    The first states, ``(num_layers, N, features)`` each; zeros if omitted.\n\n"
    "Attributes\n----------\n"
    "state : ndarray, or of an LSTM a tuple (h, c)\n"
    "    See :attr:`state`.\n"
    "module : LSTM, GRU or RNN\n"
    "    The layer, which forks of the stream share.\n\n"
    "Raises\n------\n"
    "ValueError\n"
    "    If the layer is bidirectional or has ``reverse=True``; if it has hooks, or a forward() "
    "or\n"
    "    __call__() of its own, which a stream would leave out; if its dropout acts, in training\n"
    "    mode with several layers. The last two are looked for in every call as well.\n\n"
    "Notes\n-----\n"
    "A call, and whatever else changes the stream, happens as a whole or, on any error, not at\n"
    "all. ``batch_first`` of the layer is ignored. One thread at a time may use a stream: a\n"
    "second one, and code that a call itself runs, gets a RuntimeError. ``copy.copy`` is\n"
    ":meth:`fork`; ``copy.deepcopy`` and pickle carry the layer too. Where the layer has gone\n"
    "from float32 to float64, the next call takes the states along; where it has gone back,\n"
    "which would round them, the call is a TypeError that says what to do.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.LSTM(3, 4).stream(batch=2)\n"
    ">>> stream(np.ones((2, 3))).shape  # one step of both rows\n"
    "(2, 4)\n"
    ">>> stream(np.ones((5, 1, 3)), rows=[1]).shape  # five steps of the second\n"
    "(5, 1, 4)\n"
    ">>> stream.join(1)\n"
    "array([2])\n"
    ">>> len(stream)\n"
    "3";

const char stream_call_doc[] =
    "__call__($self, input, *, rows=None, out=None)\n--\n\n"
    "Advance all rows, or some, by one step or several.\n\n"
    "Parameters\n----------\n"
    "input : array_like\n"
    "    ``(N, input_size)``, one step, or ``(L, N, input_size)``. Real numbers of any dtype are\n"
    "    converted to the layer's dtype.\n"
    "rows : array_like of int, optional\n"
    "    Which K rows, in any order, each once: input and output have K rows then, in that order.\n"
    "out : ndarray, optional\n"
    "    The output is written to this array and the array returned. Of the right shape and\n"
    "    dtype, writable and contiguous in its last axis; apart from input.\n\n"
    "Returns\n-------\n"
    "output : ndarray\n"
    "    That of the last layer, ``(N, H_out)`` or ``(L, N, H_out)``.\n\n"
    "Raises\n------\n"
    "ValueError\n"
    "    If a shape does not fit, or a row is named twice; see also :class:`Stream`.\n"
    "IndexError\n"
    "    If a row is negative or absent.\n"
    "TypeError\n"
    "    For arrays that do not hold real numbers, rows that are no integers (also a mask), and\n"
    "    an out of another dtype.\n"
    "RuntimeError\n"
    "    If the stream is in use, or the layer was constructed anew with other sizes.\n\n"
    "On any error the states stay as they were. What was in out may be lost if Ctrl-C ends a\n"
    "long call.";

const char stream_module_doc[] = "The layer, which forks of the stream share.";

const char stream_state_doc[] =
    "The states: of an LSTM (h, c), of others h, each ``(num_layers, N, features)``.\n\n"
    "Reading gives copies. What a call of the layer takes as hx may be assigned, for all N\n"
    "rows; None resets.";

const char stream_reset_doc[] =
    "reset($self, rows=None)\n--\n\n"
    "Set the states to zero: of the given rows, each named once, or of all.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=2)\n"
    ">>> output = stream(np.ones((2, 3)))\n"
    ">>> stream.reset(rows=[0])\n"
    ">>> stream.state.any(axis=(0, 2))\n"
    "array([False,  True])";

const char stream_fork_doc[] =
    "fork($self, /)\n--\n\n"
    "Return a second stream of the same module, with a copy of the states.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream()\n"
    ">>> other = stream.fork()\n"
    ">>> output = other(np.ones((1, 3)))\n"
    ">>> bool(stream.state.any()), bool(other.state.any())\n"
    "(False, True)";

const char stream_select_doc[] =
    "select($self, rows, /)\n--\n\n"
    "Make row i what row ``rows[i]`` was: reorder, repeat and drop rows, as a beam search does.\n\n"
    "Parameters\n----------\n"
    "rows : array_like of int\n"
    "    Any number of rows in any order; the stream has as many from then on.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=3)\n"
    ">>> stream.select([2, 2, 0, 0])\n"
    ">>> len(stream)\n"
    "4";

const char stream_join_doc[] =
    "join($self, n, /)\n--\n\n"
    "Append n rows whose states are zero, and return their indices, an array of int64.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=0)\n"
    ">>> stream.join(2)\n"
    "array([0, 1])";

const char stream_leave_doc[] =
    "leave($self, rows, /)\n--\n\n"
    "Remove rows, each named once. The others keep their order and close the gaps: their\n"
    "indices fall by how many were removed before them.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm as nn\n"
    ">>> stream = nn.GRU(3, 4).stream(batch=5)\n"
    ">>> stream.leave([0, 3])  # what was 1, 2, 4 is now 0, 1, 2\n"
    ">>> len(stream)\n"
    "3";

const char stream_reduce_doc[] =
    "__reduce__($self, /)\n--\n\nWhat copy and pickle make a stream of.";
