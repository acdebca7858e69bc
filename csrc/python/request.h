/* One call of LSTM or LSTMCell on its way to the core: all that is known of it, in one structure.
 *
 * The way, each file with the fields that it fills:
 *
 *     call.c         where Python comes in           self, callee, packed
 *     arguments.c    which objects were given, the   input, hx, given_sizes; snapshot, batch_first;
 *                    arrays behind them              x, hx_items, given, stacked
 *     checks.c       torch's checks, in its order    batched, rows, fits, batch_sizes; steps and
 *                                                    batch of `call`
 *     run.c          conversions, fresh results,     the other fields of `call`; results
 *                    the GIL, one thread or more
 *     core/          rnn_forward() on `call`
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

/* What is called. */
struct callee {
    const char *name; /* in error texts */
    ternaryfunc slot; /* tp_call of the type */
    bool cell;        /* one step: no sequence, no layers */
};

struct team;

struct request {
    layer_object *self; /* borrowed */
    const struct callee *callee;
    bool packed; /* a packed sequence: x holds its data */

    PyObject *input, *hx;  /* as they were given, borrowed; hx is NULL where omitted or None */
    PyObject *given_sizes; /* likewise: batch_sizes of a packed sequence */
    struct snapshot *snapshot;
    PyArrayObject *x;
    PyArrayObject *hx_items[2]; /* h_0, c_0; NULL where hx is omitted */
    Py_ssize_t given;           /* how many states hx holds */
    bool stacked;               /* hx is one array, not a pair */
    bool batch_first;

    bool batched;
    bool fits;                  /* no array needs a conversion */
    ptrdiff_t rows;             /* of two-dimensional input to LSTM: unbatched or packed */
    PyArrayObject *batch_sizes; /* packed: opened, and then a checked copy of our own */

    PyObject *results;
    /* The threads of a first try that was given up, and the results that they may still write to;
     * or NULL. */
    struct team *late;
    PyObject *late_results;

    struct rnn_call call;
};

#endif
