/* One call of a layer or a cell on its way to the core: all that is known of it, in one structure.
 *
 * The way, each file with the fields that it fills:
 *
 *     call.c         where Python comes in           self, callee, packed
 *     arguments.c    which objects were given, the   input, hx, given_sizes; snapshot, net, pair,
 *                    arrays behind them              batch_first; x, hx_items, given, stacked
 *     checks.c       torch's checks, in its order    batched, rows, fits, batch_sizes; steps and
 *                                                    batch of `call`; net of an RNNCell
 *     within.c       lengths and resets, if any      extras; within, steps of `call`
 *     run.c          conversions, fresh results,     the other fields of `call`; results
 *                    the GIL, one thread or more
 *     core/          rnn_forward_single() or rnn_forward() on `call`
 *
 * Until a kernel runs, a call whose arrays fit crosses from one file into another between ten pairs
 * of files, questions of sizes aside: call-arguments, arguments-layer, layer-weights (the
 * snapshot), call-checks, checks-arrays (whether the inputs fit), call-run, run-arrays (the
 * results), run-network, network-single_step (or -scan), single_step-kernel. The call makes no
 * Python object but the results.
 */
#ifndef PYLSTM_PYTHON_REQUEST_H
#define PYLSTM_PYTHON_REQUEST_H

#include "layer.h"

/* What is called: one for each shape of call. The kind of cell is that of the net. */
struct callee {
    ternaryfunc slot; /* tp_call of the type */
    const char *cell; /* "Cell": one step, no sequence, no layers; else "" */
    bool is_cell;
};

struct team;

/* What few calls have: all of it is read in functions that a plain call does not enter. */
struct extras {
    PyObject *lengths, *reset, *out; /* as they were given, borrowed; NULL where omitted or None */
    PyObject *names;                 /* likewise: a tuple of what trace() returns */
    PyArrayObject *lengths_array, *reset_array;
    struct out *opened_out; /* what is behind out */
    /* lengths, order and sizes for the core: a checked copy, which no other code can change during
     * the call. They are the first items of "few", or of memory of our own. */
    int64_t *numbers;
    struct rnn_within within; /* a shared call reads a copy, which late helpers keep */
    int64_t few[64];          /* behind what is cleared */
};

struct request {
    layer_object *self; /* borrowed */
    const struct callee *callee;
    bool packed; /* a packed sequence: x holds its data */

    PyObject *input, *hx;  /* as they were given, borrowed; hx is NULL where omitted or None */
    PyObject *given_sizes; /* likewise: batch_sizes of a packed sequence */
    struct extras *extras; /* NULL: the call has none */
    struct snapshot *snapshot;
    PyArrayObject *x;
    PyArrayObject *hx_items[2]; /* h_0, c_0; NULL where hx is omitted, and where there is no c */
    const struct rnn_net *net;  /* that of the snapshot, or other_net */
    Py_ssize_t given;           /* how many arrays hx holds, where a state is a pair */
    bool pair;                  /* a state is a pair, h and c; else it is h alone */
    bool stacked;               /* hx is one array, not a pair as it should be */
    bool batch_first;

    bool batched;
    bool fits;                  /* no array needs a conversion */
    ptrdiff_t rows;             /* of a layer: steps of the input, or rows of a packed one */
    PyArrayObject *batch_sizes; /* packed: opened, and then a checked copy of our own */

    PyObject *results; /* a tuple, of a GRUCell or RNNCell an array */
    /* The threads of a first try that was given up, and the results that they may still write to;
     * or NULL. */
    struct team *late;
    PyObject *late_results;

    struct rnn_call call;
    struct rnn_net other_net; /* of an RNNCell that is another one than its snapshot */
};

static inline bool request_has_out(const struct request *request)
{
    return request->extras != NULL && request->extras->out != NULL;
}

/* The results of a call, in this order. A cell has no output but h_n. */
enum { RESULT_OUTPUT, RESULT_H_N, RESULT_C_N, RESULTS };

/* True if the first axis of input and output is the batch. */
static inline bool request_has_batch_first(const struct request *request)
{
    return request->batch_first && request->batched && !request->packed &&
           !request->callee->is_cell;
}

/* Writes the shape of a result to "dims", which has room for three axes, and returns how many there
 * are. h_n and c_n have layers, rows and features, of which a cell and an unbatched call lack one. */
static inline int request_result_dims(const struct request *request, int index, npy_intp *dims)
{
    const struct rnn_net *net = request->net;
    const bool batch_first = request_has_batch_first(request);
    int ndim = 0;

    if (index == RESULT_OUTPUT) {
        dims[ndim++] = batch_first ? request->call.batch : request->rows;
        if (request->batched && !request->packed)
            dims[ndim++] = batch_first ? request->rows : request->call.batch;
        dims[ndim++] = net->num_directions * rnn_hidden_out(net);
        return ndim;
    }
    if (!request->callee->is_cell)
        dims[ndim++] = net->num_layers * net->num_directions;
    if (request->batched)
        dims[ndim++] = request->call.batch;
    dims[ndim++] = index == RESULT_H_N ? rnn_hidden_out(net) : net->hidden_size;
    return ndim;
}

/* What error texts call state `index`: "hx[0]", "hx[1]", or "hx" where there is one. */
static inline const char *request_hx_name(const struct request *request, int index)
{
    if (!request->pair)
        return "hx";
    return index == 0 ? "hx[0]" : "hx[1]";
}

#endif
