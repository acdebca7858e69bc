#include "stream_step.h"

#include "arguments.h"
#include "arrays.h"
#include "errors.h"
#include "run.h"
#include "stream.h"
#include "stream_out.h"
#include "stream_rows.h"

#include <string.h>

static const struct callee callee = {NULL, "", false};

/* One call on its way. */
struct step {
    stream_object *stream;
    PyObject *input, *rows,
        *out;               /* as they were given, borrowed; rows and out NULL where omitted */
    struct request request; /* self, snapshot, net, x, call */
    PyArrayObject *y;       /* owned */
    struct stream_hx *hx;   /* of the stream, or `converted` */
    struct stream_hx converted;
    const int64_t *index; /* [call.batch] which rows; NULL: all */
};

/* ---- Arguments ---- */

#define TAKES "Stream.__call__() takes input, and the keywords rows and out: "

/* The arguments that a call may have, each written where it belongs. */
static int read_keyword(struct step *step, PyObject *key, PyObject *value)
{
    static const int names[] = {NAME_INPUT, NAME_ROWS, NAME_OUT};
    PyObject **const targets[] = {&step->input, &step->rows, &step->out};

    for (int i = 0; i < 3; i++) {
        PyObject *name = step->request.self->module_state->names[names[i]];
        if (key != name && PyUnicode_Compare(key, name) != 0)
            continue;
        if (*targets[i] != NULL)
            return error_raise(PyExc_TypeError, TAKES "got multiple values for '%S'", key);
        *targets[i] = value == Py_None && i > 0 ? NULL : value;
        return 0;
    }
    return error_raise(PyExc_TypeError, TAKES "got an unexpected keyword argument '%S'", key);
}

/* ---- Shapes ---- */

#define SHAPES                                                                                     \
    "a stream takes (N, input_size), one step, or (L, N, input_size), with N %zd and "             \
    "input_size %zd; input has shape "

COLD static int error_input_shape(const struct step *step)
{
    const struct request *request = &step->request;
    PyArrayObject *x = request->x;
    const Py_ssize_t size = request->net->input_size, rows = request->call.batch;
    const int ndim = PyArray_NDIM(x);
    const bool batch_first = ndim == 3 && PyArray_DIM(x, 2) == size && PyArray_DIM(x, 0) == rows;

    if (ndim != 2 && ndim != 3)
        return error_with_shape(PyExc_ValueError, x,
                                "Expected input to be 2D or 3D, got %dD instead: " SHAPES, ndim,
                                rows, size);
    if (PyArray_DIM(x, ndim - 1) != size)
        return error_with_shape(PyExc_ValueError, x,
                                "input.size(-1) must be equal to input_size. Expected %zd, got "
                                "%zd: " SHAPES,
                                size, (Py_ssize_t)PyArray_DIM(x, ndim - 1), rows, size);
    if (PyArray_DIM(x, ndim - 2) != rows)
        return error_with_shape(PyExc_ValueError, x,
                                "Expected input of %zd rows, %s, got %zd%s: " SHAPES, rows,
                                step->index ? "as rows says" : "all of the stream",
                                (Py_ssize_t)PyArray_DIM(x, ndim - 2),
                                batch_first ? " (a stream is never batch-first)" : "", rows, size);
    return error_with_shape(PyExc_ValueError, x,
                            "Expected sequence length to be larger than 0: " SHAPES, rows, size);
}

static int check_x(struct step *step)
{
    struct request *request = &step->request;
    struct rnn_call *call = &request->call;

    /* Opening an `out` of a subclass may run code that reshapes what is checked here. */
    if (step->out != NULL && !PyArray_CheckExact(step->out) && array_detach(&request->x) < 0)
        return -1;
    PyArrayObject *x = request->x;
    const int ndim = PyArray_NDIM(x);

    call->steps = ndim == 3 ? PyArray_DIM(x, 0) : 1;
    if ((ndim != 2 && ndim != 3) || call->steps == 0 || PyArray_DIM(x, ndim - 2) != call->batch ||
        PyArray_DIM(x, ndim - 1) != request->net->input_size)
        return error_input_shape(step);
    request->fits = array_fits(x, request->net->kernels->dtype);
    return request->fits ? 0 : array_check_real(x, "input");
}

/* ---- States ---- */

/* Finds the states in the dtype that the layer has now. */
static int set_hx(struct step *step)
{
    const enum dtype dtype = step->request.net->kernels->dtype;

    step->hx = &step->stream->hx;
    if (step->hx->dtype == dtype)
        return 0;
    if (dtype != DTYPE_FLOAT64)
        return error_stream_narrower();
    if (stream_hx_copy(&step->stream->hx, dtype, &step->converted) < 0)
        return -1;
    step->hx = &step->converted;
    return 0;
}

/* Reads `rows` into memory of the stream's own, which nothing else changes. */
static int read_rows(struct step *step)
{
    PyArrayObject *rows;
    int status;

    step->request.call.batch = step->hx->rows;
    if (step->rows == NULL)
        return 0;
    rows = stream_rows_open(step->rows, false);
    if (rows == NULL)
        return -1;
    status = stream_rows_read(rows, step->hx->rows, step->hx->index, step->hx->marks);
    step->request.call.batch = PyArray_DIM(rows, 0);
    step->index = step->hx->index;
    array_release(rows);
    return status;
}

/* Where the core reads states and writes those after the call: never the same bank. */
static void point_at_hx(struct step *step)
{
    const struct stream_hx *hx = step->hx;
    struct rnn_call *call = &step->request.call;
    const bool some = step->index != NULL;
    const int from = some ? !hx->current : hx->current;
    const int to = some ? STREAM_SPARE_BANK : !hx->current;

    if (some)
        stream_hx_gather(hx, from, step->index, call->batch);
    call->h0 = stream_hx_data(hx, from, 0);
    call->h0_row = hx->width[0];
    call->h0_layer = call->batch * hx->width[0];
    call->h_n = stream_hx_data(hx, to, 0);
    if (hx->width[1] == 0)
        return;
    call->c0 = stream_hx_data(hx, from, 1);
    call->c0_row = hx->width[1];
    call->c0_layer = call->batch * hx->width[1];
    call->c_n = stream_hx_data(hx, to, 1);
}

/* What a call may have that a stream's has not. */
static void set_omitted(struct rnn_call *call)
{
    call->batch_sizes = NULL;
    call->within = NULL;
    call->c0 = NULL;
    call->c0_layer = call->c0_row = 0;
    call->c_n = NULL;
    call->dropout = 0.0;
    call->rng = NULL;
    call->stop = NULL;
}

/* The states after the call become those of the stream. */
static void commit(struct step *step)
{
    struct stream_hx *hx = step->hx;

    if (step->index == NULL)
        hx->current = !hx->current;
    else
        stream_hx_scatter(hx, STREAM_SPARE_BANK, step->index, step->request.call.batch);
    if (hx == &step->converted)
        stream_hx_replace(&step->stream->hx, hx);
}

/* ---- The call ---- */

/* Converts x where it does not fit, and finds or makes y. From the last check on no code of others
 * runs until the addresses have been read. */
static int set_arrays(struct step *step)
{
    struct request *request = &step->request;
    struct rnn_call *call = &request->call;
    const enum dtype dtype = request->net->kernels->dtype;
    const npy_intp dims[3] = {call->steps, call->batch, rnn_hidden_out(request->net)};
    const int ndim = PyArray_NDIM(request->x);

    if (step->out != NULL) {
        step->y = stream_out_open(request, step->out, ndim, dims + 3 - ndim);
        if (step->y == NULL)
            return -1;
    }
    if (!request->fits && arguments_fit(request) < 0)
        return -1;
    call->x = PyArray_DATA(request->x);
    /* As in run.c where the axis has length 1. */
    call->x_row = call->batch > 1 ? array_stride(request->x, ndim - 2, dtype) : 0;
    call->x_step = call->steps > 1 ? array_stride(request->x, 0, dtype) : 0;
    if (step->y == NULL)
        step->y = array_new(request->self->module_state, dtype, ndim, dims + 3 - ndim);
    if (step->y == NULL)
        return -1;
    call->y = PyArray_DATA(step->y);
    call->y_row = call->batch > 1 ? array_stride(step->y, ndim - 2, dtype) : 0;
    call->y_step = call->steps > 1 ? array_stride(step->y, 0, dtype) : 0;
    call->finite_weights = request->snapshot->finite;
    return 0;
}

/* From arguments that have been read to states that have been advanced. */
static int advance(struct step *step)
{
    struct request *request = &step->request;

    request->x = array_open(step->input, "input");
    if (request->x == NULL)
        return -1;
    request->snapshot = layer_snapshot(request->self);
    if (request->snapshot == NULL)
        return -1;
    request->net = &request->snapshot->net;
    if (stream_check_layer(step->stream, request->net) < 0 || set_hx(step) < 0 ||
        read_rows(step) < 0 || check_x(step) < 0 || set_arrays(step) < 0)
        return -1;
    set_omitted(&request->call);
    point_at_hx(step);
    if (run_filled(request) < 0)
        return -1;
    commit(step);
    return 0;
}

static PyObject *step_run(struct step *step)
{
    PyObject *result = NULL;

    if (stream_enter(step->stream) < 0)
        return NULL;
    if (advance(step) == 0)
        result = Py_NewRef(step->out != NULL ? step->out : (PyObject *)step->y);
    stream_hx_free(&step->converted);
    stream_exit(step->stream);
    arguments_close(&step->request);
    array_release(step->y);
    return result;
}

static void step_begin(struct step *step, PyObject *self)
{
    /* Not the whole: clearing that costs more than what is read before it is written. */
    memset(&step->request, 0, offsetof(struct request, call));
    step->stream = (stream_object *)self;
    step->request.self = step->stream->layer;
    step->request.callee = &callee;
    step->input = step->rows = step->out = NULL;
    step->y = NULL;
    step->index = NULL;
    step->converted.memory = NULL;
}

PyObject *stream_call_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names)
{
    const Py_ssize_t keywords = names == NULL ? 0 : PyTuple_Size(names);
    struct step step;

    step_begin(&step, self);
    step.input = count > 0 ? args[0] : NULL;
    for (Py_ssize_t i = 0; i < keywords; i++)
        if (read_keyword(&step, PyTuple_GetItem(names, i), args[count + i]) < 0)
            return NULL;
    if (count <= 1 && step.input != NULL)
        return step_run(&step);
    error_raise(PyExc_TypeError, TAKES "%s",
                count > 1 ? "more positional ones were given" : "'input' is missing");
    return NULL;
}

PyObject *stream_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    /* the top bit is a hint */
    return stream_call_method(self, args, (Py_ssize_t)(flags & (SIZE_MAX >> 1)), names);
}

PyObject *stream_call_slot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *method = PyObject_GetAttrString(self, "__call__"); /* the one above */
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);

    Py_XDECREF(method);
    return result;
}
