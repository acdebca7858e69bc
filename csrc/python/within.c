#include "within.h"

#include "arrays.h"
#include "errors.h"
#include "memory.h"
#include "trace.h"

/* Values of an output beyond which its padding is cleared without the GIL. */
#define UNLOCKED_VALUES 65536

/* ---- Opening ---- */

int within_refuse_packed(const struct extras *extras)
{
    const char *name = extras->lengths != NULL ? "lengths" : "reset";

    if (extras->names != NULL)
        return error_raise(PyExc_ValueError,
                           "trace() takes no packed sequence: pass the padded input with lengths=");
    if (extras->out != NULL)
        return error_raise(PyExc_ValueError,
                           "out does not go with a packed sequence: pass the padded input with "
                           "lengths=, or no out");
    if (extras->lengths == NULL && extras->reset == NULL)
        return 0;
    return error_raise(PyExc_ValueError,
                       "%s does not go with a packed sequence: pass the padded input with %s", name,
                       name);
}

int within_open(struct request *request)
{
    struct extras *extras = request->extras;

    if (extras->lengths != NULL && extras->reset != NULL)
        return error_raise(PyExc_ValueError,
                           "lengths and reset do not go together: a sequence that ends before the "
                           "last step has no resets beyond its end; pass one of them");
    if (extras->lengths != NULL) {
        extras->lengths_array = array_open(extras->lengths, "lengths");
        if (extras->lengths_array == NULL)
            return -1;
    }
    if (extras->reset != NULL) {
        extras->reset_array = array_open(extras->reset, "reset");
        if (extras->reset_array == NULL)
            return -1;
    }
    if (within_is_exact(extras))
        return 0;
    return array_detach(&extras->lengths_array) < 0 ? -1 : array_detach(&extras->reset_array);
}

/* True if the integers are those of the core, to be copied without a conversion. */
static bool are_plain_integers(PyArrayObject *array)
{
    return PyArray_ITEMSIZE(array) == sizeof(int64_t) && PyTypeNum_ISSIGNED(PyArray_TYPE(array)) &&
           PyArray_ISBEHAVED_RO(array);
}

bool within_is_exact(const struct extras *extras)
{
    PyObject *lengths = extras->lengths, *reset = extras->reset;

    return (lengths == NULL ||
            (PyArray_CheckExact(lengths) && are_plain_integers((PyArrayObject *)lengths))) &&
           (reset == NULL || PyArray_CheckExact(reset));
}

/* True for [], which NumPy makes an array of float64. */
static bool is_empty_list(PyObject *given, PyArrayObject *array)
{
    return PyArray_SIZE(array) == 0 && (PyList_Check(given) || PyTuple_Check(given));
}

/* ---- Lengths ---- */

COLD static int error_lengths_shape(const struct request *request)
{
    PyArrayObject *given = request->extras->lengths_array;
    const bool swapped = PyArray_NDIM(given) == 1 && PyArray_DIM(given, 0) == request->rows;
    const char *hint = request->batch_first ? ", with batch_first=True axis 0 of input"
                                            : ", with batch_first=False axis 1 of input";

    return error_with_shape(PyExc_ValueError, given,
                            "lengths must be (batch,), one integer for each of the %zd sequences "
                            "of the batch%s; it has shape ",
                            (Py_ssize_t)request->call.batch, swapped ? hint : "");
}

static int check_lengths_array(const struct request *request)
{
    const Py_ssize_t batch = request->call.batch;
    PyArrayObject *given = request->extras->lengths_array;

    if (!request->batched)
        return error_with_shape(PyExc_ValueError, request->x,
                                "lengths needs a batch of sequences, and input is one sequence, "
                                "(sequence, input_size): pass input[:length]; it has shape ");
    if (!PyTypeNum_ISINTEGER(PyArray_TYPE(given)) &&
        !is_empty_list(request->extras->lengths, given))
        return error_raise(PyExc_TypeError,
                           "lengths must hold integers, one for each of the %zd sequences of the "
                           "batch, got dtype %S",
                           batch, (PyObject *)PyArray_DESCR(given));
    if (PyArray_NDIM(given) != 1 || PyArray_DIM(given, 0) != batch)
        return error_lengths_shape(request);
    return 0;
}

/* Copies the integers of "given", of any width and byte order, to "copy". */
static int copy_integers(PyArrayObject *given, int64_t *copy)
{
    npy_intp count = PyArray_DIM(given, 0);
    const char *from = PyArray_DATA(given);
    PyObject *target;
    int status;

    if (are_plain_integers(given)) {
        for (npy_intp i = 0; i < count; i++)
            copy[i] = *(const int64_t *)(const void *)(from + i * PyArray_STRIDE(given, 0));
        return 0;
    }
    target =
        PyArray_New(&PyArray_Type, 1, &count, NPY_INT64, NULL, copy, 0, NPY_ARRAY_CARRAY, NULL);
    if (target == NULL)
        return -1;
    status = PyArray_CopyInto((PyArrayObject *)target, given);
    Py_DECREF(target);
    return status;
}

/* Memory for the lengths, the order and the sizes of the batch. */
static int64_t *new_numbers(const struct request *request)
{
    const size_t most = PTRDIFF_MAX / sizeof(int64_t) / 4;
    const size_t batch = (size_t)request->call.batch, steps = (size_t)request->call.steps;
    struct extras *extras = request->extras;
    const size_t count = batch > most || steps > most ? most * 4 : 2 * batch + steps;

    extras->numbers = extras->few;
    if (count > sizeof extras->few / sizeof *extras->few)
        extras->numbers = memory_new(count * sizeof(int64_t));
    if (extras->numbers == NULL)
        PyErr_NoMemory();
    return extras->numbers;
}

COLD static int error_length(const struct request *request, ptrdiff_t index, int64_t length)
{
    const int typenum = PyArray_TYPE(request->extras->lengths_array);
    PyObject *value = PyTypeNum_ISUNSIGNED(typenum)
                          ? PyLong_FromUnsignedLongLong((unsigned long long)length)
                          : PyLong_FromLongLong(length);

    if (value != NULL)
        PyErr_Format(PyExc_ValueError,
                     "lengths must be from 1 to %zd, the number of steps of input, got "
                     "lengths[%zd] = %S%s",
                     (Py_ssize_t)request->rows, (Py_ssize_t)index, value,
                     length == 0 ? ": leave sequences without steps out of the batch" : "");
    Py_XDECREF(value);
    return -1;
}

static int read_lengths(struct request *request, struct rnn_within *within)
{
    const ptrdiff_t batch = request->call.batch;
    int64_t *lengths, *order, longest = 0;

    if (check_lengths_array(request) < 0)
        return -1;
    if (batch == 0) /* then nothing is computed */
        return 0;
    if ((lengths = new_numbers(request)) == NULL)
        return -1;
    if (copy_integers(request->extras->lengths_array, lengths) < 0)
        return -1;
    for (ptrdiff_t i = 0; i < batch; i++) {
        if (lengths[i] < 1 || lengths[i] > request->rows)
            return error_length(request, i, lengths[i]);
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    order = lengths + batch;
    request->call.steps = (ptrdiff_t)longest;
    within->lengths = lengths;
    within->sizes = order + batch;
    within->order = rnn_order_lengths(lengths, batch, order, order + batch) ? NULL : order;
    return 0;
}

/* ---- Resets ---- */

COLD static int error_reset_shape(const struct request *request)
{
    const Py_ssize_t steps = request->rows, batch = request->call.batch;
    PyArrayObject *given = request->extras->reset_array;

    if (!request->batched)
        return error_with_shape(PyExc_ValueError, given,
                                "reset must be (sequence,) for unbatched input, here (%zd,); it "
                                "has shape ",
                                steps);
    const bool swapped = PyArray_NDIM(given) == 2 && steps != batch &&
                         PyArray_DIM(given, request->batch_first ? 0 : 1) == steps &&
                         PyArray_DIM(given, request->batch_first ? 1 : 0) == batch;
    return error_with_shape(PyExc_ValueError, given,
                            "reset must be %s, as input, here (%zd, %zd)%s; it has shape ",
                            request->batch_first ? "(batch, sequence)" : "(sequence, batch)",
                            request->batch_first ? batch : steps,
                            request->batch_first ? steps : batch, swapped ? ": try reset.T" : "");
}

/* A mask is read where it is: whatever another thread writes to it meanwhile, a byte is 0 or not. */
static int read_reset(struct request *request, struct rnn_within *within)
{
    PyArrayObject *given = request->extras->reset_array;
    const int step_axis = request->batched && request->batch_first ? 1 : 0;

    if (!PyArray_ISBOOL(given) && !is_empty_list(request->extras->reset, given))
        return error_raise(
            PyExc_TypeError,
            "reset must hold bools, got dtype %S: pass reset.astype(bool) or "
            "reset != 0; of a mask that is 0 where a sequence begins, pass mask == 0",
            (PyObject *)PyArray_DESCR(given));
    if (PyArray_NDIM(given) != (request->batched ? 2 : 1) ||
        PyArray_DIM(given, step_axis) != request->rows ||
        (request->batched && PyArray_DIM(given, 1 - step_axis) != request->call.batch))
        return error_reset_shape(request);
    within->reset = PyArray_DATA(given);
    /* NumPy leaves the strides of axes of length 1 undefined. */
    within->reset_step = request->rows == 1 ? 0 : PyArray_STRIDE(given, step_axis);
    within->reset_row = 0;
    if (request->batched && request->call.batch > 1)
        within->reset_row = PyArray_STRIDE(given, 1 - step_axis);
    return 0;
}

/* ---- Both ---- */

int within_check(struct request *request)
{
    struct extras *extras = request->extras;
    struct rnn_within *within = &extras->within;

    if (extras->lengths == NULL && extras->reset == NULL && extras->names == NULL)
        return 0;
    within->steps = request->rows;
    if (extras->lengths != NULL && read_lengths(request, within) < 0)
        return -1;
    if (extras->reset != NULL && read_reset(request, within) < 0)
        return -1;
    request->call.within = within;
    return 0;
}

int within_set_results(struct request *request)
{
    const struct rnn_call *call = &request->call;
    const struct rnn_net *net = request->net;

    if (request->extras->names != NULL && trace_set_results(request) < 0)
        return -1;
    if (call->within == NULL || call->within->lengths == NULL)
        return 0;
    if (request->rows * call->batch < UNLOCKED_VALUES / (net->num_directions * rnn_hidden_out(net)))
        rnn_clear_padding(net, call);
    else {
        Py_BEGIN_ALLOW_THREADS
        rnn_clear_padding(net, call);
        Py_END_ALLOW_THREADS
    }
    return 0;
}

void within_close(struct extras *extras)
{
    array_release(extras->lengths_array);
    array_release(extras->reset_array);
    if (extras->numbers != extras->few)
        memory_free(extras->numbers);
}
