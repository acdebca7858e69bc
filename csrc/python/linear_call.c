#include "linear_call.h"

#include "arrays.h"
#include "call.h"
#include "errors.h"
#include "interrupt.h"
#include "overlap.h"

#include "../core/linear.h"

#include <limits.h>

struct linear_request {
    layer_object *self;    /* borrowed */
    PyObject *input, *out; /* as they were given, borrowed; out is NULL where omitted or None */
    struct snapshot *snapshot;
    const struct rnn_net *net; /* that of the snapshot */
    PyArrayObject *x, *y;
    struct linear_call call;
};

/* ---- Which objects ---- */

COLD static int error_keyword(PyObject *key, const char *what)
{
    return error_raise(PyExc_TypeError,
                       "Linear.forward() got %s argument '%S': the parameters are input and out",
                       what, key);
}

/* Reads one keyword argument. */
static int read_keyword(struct linear_request *request, PyObject *key, PyObject *value)
{
    PyObject *const *names = request->self->module_state->names;
    const int is_input = key == names[NAME_INPUT] ||
                         (PyUnicode_Check(key) && PyUnicode_Compare(key, names[NAME_INPUT]) == 0);

    if (is_input && request->input != NULL)
        return error_keyword(key, "multiple values for");
    if (is_input)
        request->input = value;
    else if (key == names[NAME_OUT] ||
             (PyUnicode_Check(key) && PyUnicode_Compare(key, names[NAME_OUT]) == 0))
        request->out = value == Py_None ? NULL : value;
    else
        return error_keyword(key, "an unexpected keyword");
    return 0;
}

/* True if a call has what it needs once its keywords have been read; else an exception is set. */
static bool check_read(const struct linear_request *request, Py_ssize_t count)
{
    if (count > 1)
        error_raise(PyExc_TypeError,
                    "Linear.forward() takes 2 positional arguments but %zd were given: "
                    "input alone, and out by its name",
                    count + 1);
    else if (request->input == NULL)
        error_raise(PyExc_TypeError,
                    "Linear.forward() missing 1 required positional argument: 'input'");
    return count <= 1 && request->input != NULL;
}

/* ---- Arrays ---- */

COLD static int error_one_number(void)
{
    error_raise(PyExc_RuntimeError,
                "both arguments to linear need to be at least 1D, but they are 0D and 2D: input is "
                "one number");
    return -1;
}

COLD static int error_features(const struct linear_request *request)
{
    const struct rnn_net *net = request->net;
    const int ndim = PyArray_NDIM(request->x);
    npy_intp rows = 1;

    for (int axis = 0; axis < ndim - 1; axis++)
        rows *= PyArray_DIM(request->x, axis);
    error_with_shape(
        PyExc_RuntimeError, request->x,
        "mat1 and mat2 shapes cannot be multiplied (%zdx%zd and %zdx%zd): the last axis of input "
        "must be in_features, %zd; the shape of input is ",
        (Py_ssize_t)rows, (Py_ssize_t)PyArray_DIM(request->x, ndim - 1),
        (Py_ssize_t)net->input_size, (Py_ssize_t)net->hidden_size, (Py_ssize_t)net->input_size);
    return -1;
}

/* Sets the groups and rows of the call from the axes of x but the last. Returns false where they are
 * more than two, by their strides. */
static bool set_rows(struct linear_request *request)
{
    const enum dtype dtype = request->net->kernels->dtype;
    struct linear_call *call = &request->call;
    ptrdiff_t *counts[] = {&call->rows, &call->groups}, *strides[] = {&call->x_row, &call->x_group};
    int level = 0;

    call->rows = call->groups = 1;
    call->x_row = call->x_group = 0;
    for (int axis = PyArray_NDIM(request->x) - 2; axis >= 0; axis--) {
        const ptrdiff_t count = PyArray_DIM(request->x, axis);
        const ptrdiff_t stride = array_stride(request->x, axis, dtype);
        if (count == 1)
            continue;
        if (*counts[level] > 1 && stride != *counts[level] * *strides[level] && ++level == 2)
            return false;
        if (*counts[level] == 1)
            *strides[level] = stride;
        *counts[level] *= count;
    }
    return true;
}

/* A class made of several types, or an object whose __class__ was set, may hold other weights. */
static int check_net(const struct linear_request *request)
{
    if (request->net->is_linear)
        return 0;
    return error_raise(PyExc_TypeError,
                       "Linear.forward() needs the parameters of a Linear, and these are not");
}

/* Checks the input, and converts it where the kernels cannot read it. */
HOT static int set_x(struct linear_request *request)
{
    struct module_state *module_state = request->self->module_state;
    const struct rnn_net *net = request->net;
    const enum dtype dtype = net->kernels->dtype;
    const int last = PyArray_NDIM(request->x) - 1;
    const bool fits = array_fits(request->x, dtype);

    if (last < 0)
        return error_one_number();
    if (!fits && array_check_real(request->x, "input") < 0)
        return -1;
    if (PyArray_DIM(request->x, last) != net->input_size)
        return error_features(request);
    /* A conversion may run Python code, which could reshape the caller's array. */
    if (!fits && (array_detach(&request->x) < 0 || array_fit(module_state, &request->x, dtype) < 0))
        return -1;
    if (PyArray_SIZE(request->x) == 0 && net->input_size > 0) {
        request->call.rows = 0; /* whose strides are undefined */
        request->call.groups = 1;
    } else if (!set_rows(request)) {
        if (array_detach(&request->x) < 0)
            return -1;
        PyArrayObject *copy =
            (PyArrayObject *)PyArray_NewCopy(request->x, NPY_CORDER); /* of the dtype */
        if (copy == NULL)
            return -1;
        array_release(request->x);
        request->x = copy;
        set_rows(request);
    }
    request->call.x = PyArray_DATA(request->x);
    return 0;
}

/* ---- Results ---- */

/* Writes the shape of the result, which has as many axes as x. */
static void result_dims(const struct linear_request *request, npy_intp *dims)
{
    const int last = PyArray_NDIM(request->x) - 1;

    for (int axis = 0; axis < last; axis++)
        dims[axis] = PyArray_DIM(request->x, axis);
    dims[last] = request->net->hidden_size;
}

COLD static int error_out(const struct linear_request *request, const npy_intp *dims)
{
    PyArrayObject *out = (PyArrayObject *)request->out;
    const int ndim = PyArray_NDIM(request->x);
    PyObject *expected = PyTuple_New(ndim), *got = error_shape(-1, out);

    for (int axis = 0; expected != NULL && axis < ndim; axis++) {
        PyObject *dim = PyLong_FromSsize_t(dims[axis]);
        if (dim == NULL || PyTuple_SetItem(expected, axis, dim) < 0)
            Py_CLEAR(expected);
    }
    if (expected != NULL && got != NULL)
        PyErr_Format(PyExc_ValueError,
                     "out must be a writable, C-contiguous %s array of shape %R, got %s of dtype "
                     "%S and shape %R",
                     dtype_name(request->net->kernels->dtype), expected,
                     PyArray_ISCARRAY(out) ? "one" : "one that is not,",
                     (PyObject *)PyArray_DESCR(out), got);
    Py_XDECREF(expected);
    Py_XDECREF(got);
    return -1;
}

/* ValueError where out shares memory with the input or the parameters. */
static int check_overlap(const struct linear_request *request, PyArrayObject *out)
{
    const struct region own = region_of(out), x = region_of(request->x);
    struct region parameters;

    if (region_of_parameters(request->self, &parameters) < 0)
        return -1;
    if (own.low < parameters.high && parameters.low < own.high)
        return error_raise(
            PyExc_ValueError,
            "out shares memory with the parameters of the module: pass another array");
    if (own.low >= x.high || x.low >= own.high ||
        (PyArray_NDIM(request->x) <= OVERLAP_MOST_AXES && !regions_overlap_within(&own, &x)))
        return 0;
    return error_raise(PyExc_ValueError, "out shares memory with input: pass another array");
}

/* Takes out for the result. */
APART static int set_out(struct linear_request *request, const npy_intp *dims)
{
    const enum dtype dtype = request->net->kernels->dtype;
    PyArrayObject *out = (PyArrayObject *)request->out;
    int masked;

    if (!PyArray_Check(request->out))
        return error_type("out must be a numpy.ndarray", request->out);
    masked = array_is_masked(request->out);
    if (masked != 0)
        return masked < 0 ? -1
                          : error_raise(PyExc_TypeError, "out is a masked array: pass out.data");
    if (PyArray_TYPE(out) != dtype_typenum(dtype) || !PyArray_ISCARRAY(out) ||
        PyArray_NDIM(out) != PyArray_NDIM(request->x) ||
        !PyArray_CompareLists(PyArray_DIMS(out), dims, PyArray_NDIM(out)))
        return error_out(request, dims);
    if (check_overlap(request, out) < 0)
        return -1;
    request->y = (PyArrayObject *)Py_NewRef(request->out);
    return 0;
}

/* Makes the result, or takes out for it. */
HOT static int set_y(struct linear_request *request)
{
    npy_intp dims[NPY_MAXDIMS];

    result_dims(request, dims);
    if (request->out == NULL)
        request->y = array_new(request->self->module_state, request->net->kernels->dtype,
                               PyArray_NDIM(request->x), dims);
    else if (set_out(request, dims) < 0)
        return -1;
    if (request->y == NULL)
        return -1;
    request->call.y = PyArray_DATA(request->y);
    return 0;
}

/* ---- The core ---- */

/* A call that lets other threads run, and looks for signals between strips of rows. */
APART static int run_unlocked(struct linear_request *request, double work)
{
    struct rnn_call watched = {.steps = request->call.rows * request->call.groups / 64 + 1};
    struct interrupt interrupt;

    gil_release(&interrupt, &watched, work);
    request->call.stop = watched.stop;
    linear_forward(request->net, request->snapshot->packed, &request->call);
    return gil_acquire(&interrupt);
}

HOT static int run(struct linear_request *request)
{
    const double rows = (double)request->call.rows * (double)request->call.groups;
    const double work = request->snapshot->row_work * rows;

    if (rows == 0 || request->net->hidden_size == 0)
        return 0;
    if (work >= UNLOCKED_WORK)
        return run_unlocked(request, work);
    linear_forward(request->net, request->snapshot->packed, &request->call);
    return 0;
}

HOT static PyObject *run_request(struct linear_request *request)
{
    PyArrayObject *y = NULL;

    request->y = NULL;
    request->call = (struct linear_call){.groups = 0};
    request->snapshot = layer_snapshot(request->self);
    if (request->snapshot == NULL)
        return NULL;
    request->net = &request->snapshot->net;
    request->x = array_open(request->input, "input");
    if (request->x != NULL && check_net(request) == 0 && set_x(request) == 0 &&
        set_y(request) == 0 && run(request) == 0) {
        y = request->y;
        request->y = NULL;
    }
    snapshot_release(request->snapshot);
    array_release(request->x);
    array_release(request->y);
    return (PyObject *)y;
}

/* ---- The ways in ---- */

PyObject *linear_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    const Py_ssize_t count = (Py_ssize_t)(flags & (SIZE_MAX >> 1)); /* the top bit is a hint */

    if (((layer_object *)self)->direct && call_slot_of(self) == linear_call_slot)
        return linear_forward_method(self, args, count, names);
    return layer_vectorcall(self, args, flags, names);
}

HOT PyObject *linear_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                    PyObject *names)
{
    const Py_ssize_t keywords = names == NULL ? 0 : PyTuple_Size(names);
    struct linear_request request;

    request.self = (layer_object *)self;
    request.input = count > 0 ? args[0] : NULL;
    request.out = NULL;
    for (Py_ssize_t i = 0; i < keywords; i++)
        if (read_keyword(&request, PyTuple_GetItem(names, i), args[count + i]) < 0)
            return NULL;
    return check_read(&request, count) ? run_request(&request) : NULL;
}

PyObject *linear_call_slot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    const Py_ssize_t count = PyTuple_Size(args);
    struct linear_request request;
    PyObject *key, *value, *method, *result;
    Py_ssize_t position = 0;

    if (!((layer_object *)self)->direct) {
        method =
            PyObject_GetAttr(self, ((layer_object *)self)->module_state->names[NAME_CALL_IMPL]);
        result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
        Py_XDECREF(method);
        return result;
    }
    request.self = (layer_object *)self;
    request.input = count > 0 ? PyTuple_GetItem(args, 0) : NULL;
    request.out = NULL;
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &key, &value))
        if (read_keyword(&request, key, value) < 0)
            return NULL;
    return check_read(&request, count) ? run_request(&request) : NULL;
}
