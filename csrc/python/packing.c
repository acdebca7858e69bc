#include "packing.h"

#include "arrays.h"

#include <math.h>
#include <string.h>

/* Copies of at least so many bytes let other threads run. */
#define UNLOCKED_BYTES (1 << 17)

/* ---- Arguments ---- */

static bool is_plain(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_CheckExact(object) && PyArray_ISNOTSWAPPED(array) &&
           PyTypeNum_ISNUMBER(PyArray_TYPE(array));
}

/* Bytes of a row: the axes from `axis` on. -1 where they are empty or not in one piece. */
static npy_intp row_bytes(PyArrayObject *array, int axis)
{
    npy_intp bytes = PyArray_ITEMSIZE(array);

    for (int last = PyArray_NDIM(array) - 1; last >= axis; last--) {
        const npy_intp dim = PyArray_DIM(array, last);
        if (dim == 0 || (dim > 1 && PyArray_STRIDE(array, last) != bytes))
            return -1;
        bytes *= dim;
    }
    return bytes;
}

static void *data_of(PyObject *array) { return PyArray_DATA((PyArrayObject *)array); }

static PyArrayObject *new_index(npy_intp count)
{
    return (PyArrayObject *)PyArray_SimpleNew(1, &count, NPY_INT64);
}

PyArrayObject *packing_copy(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    if (!PyArray_CheckExact(object) || PyArray_NDIM(array) != 1 || PyArray_TYPE(array) != NPY_INT64)
        return NULL;
    return (PyArrayObject *)PyArray_FromArray(array, PyArray_DescrFromType(NPY_INT64),
                                              NPY_ARRAY_CARRAY | NPY_ARRAY_ENSURECOPY);
}

/* packing_copy(), of a list or tuple of ints as well. */
static PyArrayObject *copy_lengths(PyObject *lengths)
{
    if (!PyList_CheckExact(lengths) && !PyTuple_CheckExact(lengths))
        return packing_copy(lengths);
    PyObject *tuple = PySequence_Tuple(lengths);
    PyArrayObject *copy = tuple == NULL ? NULL : new_index(PyTuple_Size(tuple));
    for (Py_ssize_t i = 0; copy != NULL && i < PyTuple_Size(tuple); i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        int unusual = !PyLong_CheckExact(item);
        if (!unusual)
            ((int64_t *)PyArray_DATA(copy))[i] = PyLong_AsLongLongAndOverflow(item, &unusual);
        if (unusual)
            Py_CLEAR(copy);
    }
    Py_XDECREF(tuple);
    return copy;
}

PyArrayObject *packing_inverse(PyObject *indices, npy_intp most)
{
    if (!PyArray_CheckExact(indices) || PyArray_SIZE((PyArrayObject *)indices) > most)
        return NULL;
    PyArrayObject *copy = packing_copy(indices);
    const npy_intp count = copy == NULL ? 0 : PyArray_SIZE(copy);
    PyArrayObject *inverse = copy == NULL ? NULL : new_index(count);
    if (inverse != NULL) {
        int64_t *place = PyArray_DATA(inverse);
        memset(place, -1, (size_t)count * sizeof *place);
        for (npy_intp i = 0; i < count; i++) {
            const int64_t item = ((int64_t *)PyArray_DATA(copy))[i];
            if (item < 0 || item >= count || place[item] >= 0) {
                Py_CLEAR(inverse);
                break;
            }
            place[item] = i;
        }
    }
    array_release(copy);
    return inverse;
}

/* ---- Rows ---- */

/* The same rows twice, strides in bytes. */
struct rows {
    npy_intp bytes;                     /* of one row */
    char *padded;                       /* [steps, batch, row] by these strides: */
    npy_intp step_stride, batch_stride; /* may be of any sign */
    char *packed;                       /* [total, row] */
    npy_intp packed_stride;
    npy_intp steps, total;
    const int64_t *sizes; /* [steps] */
    const int64_t *order; /* [batch] the place in the padded batch of each sequence, or NULL */
};

static void set_padded(struct rows *rows, PyArrayObject *array, bool batch_first)
{
    rows->padded = PyArray_BYTES(array);
    rows->step_stride = PyArray_STRIDE(array, batch_first);
    rows->batch_stride = PyArray_STRIDE(array, !batch_first);
}

/* A fresh C-contiguous array of the same dtype, all zero if wanted. */
static PyArrayObject *new_array(PyArrayObject *like, int ndim, npy_intp *dims, bool zero)
{
    PyArray_Descr *descr = PyArray_DescrFromType(PyArray_TYPE(like));

    return (PyArrayObject *)(zero ? PyArray_Zeros(ndim, dims, descr, 0)
                                  : PyArray_Empty(ndim, dims, descr, 0));
}

/* Copies every row, to the packed batch or from there. */
static void copy_rows(const struct rows *rows, bool pack)
{
    const bool whole = rows->order == NULL && rows->batch_stride == rows->bytes &&
                       rows->packed_stride == rows->bytes;
    const bool unlocked = rows->total >= UNLOCKED_BYTES / rows->bytes;
    PyThreadState *thread = unlocked ? PyEval_SaveThread() : NULL;
    char *packed = rows->packed;

    for (npy_intp step = 0; step < rows->steps; step++) {
        const npy_intp once = whole ? rows->sizes[step] : 1;
        for (npy_intp i = 0; i < rows->sizes[step]; i += once) {
            char *padded = rows->padded + step * rows->step_stride +
                           (rows->order == NULL ? i : rows->order[i]) * rows->batch_stride;
            memcpy(pack ? packed : padded, pack ? padded : packed, (size_t)(once * rows->bytes));
            packed += once * rows->packed_stride;
        }
    }
    if (unlocked)
        PyEval_RestoreThread(thread);
}

/* ---- Padded to packed ---- */

/* The greatest length; 0 where one is below 1, or greater than that before it although they are to
 * be sorted. */
static int64_t longest_of(const int64_t *lengths, npy_intp batch, bool sorted)
{
    int64_t longest = 0;

    for (npy_intp i = 0; i < batch; i++) {
        if (lengths[i] < 1 || (sorted && i > 0 && lengths[i] > lengths[i - 1]))
            return 0;
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    return longest;
}

/* Counts for each step the lengths that are greater. */
static void count_sizes(int64_t *sizes, npy_intp steps, const int64_t *lengths, npy_intp batch)
{
    memset(sizes, 0, (size_t)steps * sizeof *sizes);
    for (npy_intp i = 0; i < batch; i++)
        sizes[lengths[i] - 1]++;
    for (npy_intp step = steps - 2; step >= 0; step--)
        sizes[step] += sizes[step + 1];
}

/* Sorts by decreasing length, equal lengths as they come. Those of n have the places from sizes[n]
 * to sizes[n - 1], which is counted down to sizes[n]; in the end the sizes are moved back. */
static void sort_lengths(int64_t *order, int64_t *inverse, int64_t *sizes, npy_intp steps,
                         const int64_t *lengths, npy_intp batch)
{
    for (npy_intp i = batch - 1; i >= 0; i--) {
        inverse[i] = --sizes[lengths[i] - 1];
        order[inverse[i]] = i;
    }
    memmove(sizes + 1, sizes, (size_t)(steps - 1) * sizeof *sizes);
    sizes[0] = batch;
}

/* What is known before anything is made. False where lengths and batch do not fit. */
static bool measure(struct rows *rows, PyArrayObject *padded, PyArrayObject *lengths,
                    bool batch_first, bool sorted)
{
    const npy_intp batch = PyArray_SIZE(lengths);
    const int64_t *length = PyArray_DATA(lengths);

    if (PyArray_NDIM(padded) < 2 || PyArray_DIM(padded, !batch_first) != batch)
        return false;
    set_padded(rows, padded, batch_first);
    rows->bytes = rows->packed_stride = row_bytes(padded, 2);
    rows->steps = longest_of(length, batch, sorted);
    rows->order = NULL;
    rows->total = 0; /* no overflow where all lengths are at most those of the array */
    if (rows->bytes < 0 || rows->steps < 1 || rows->steps > PyArray_DIM(padded, batch_first))
        return false;
    for (npy_intp i = 0; i < batch; i++)
        rows->total += length[i];
    return true;
}

/* The four fields; NULL without an exception for what Python has to look at. */
static PyObject *pack(PyArrayObject *padded, PyArrayObject *lengths, bool batch_first, bool sorted)
{
    const npy_intp batch = PyArray_SIZE(lengths);
    PyObject *fields[4], *result = NULL;
    npy_intp dims[NPY_MAXDIMS];
    struct rows rows;

    if (!measure(&rows, padded, lengths, batch_first, sorted))
        return NULL;
    dims[0] = rows.total;
    for (int axis = 2; axis < PyArray_NDIM(padded); axis++)
        dims[axis - 1] = PyArray_DIM(padded, axis);
    fields[0] = (PyObject *)new_array(padded, PyArray_NDIM(padded) - 1, dims, false);
    fields[1] = (PyObject *)new_index(rows.steps);
    fields[2] = sorted ? Py_NewRef(Py_None) : (PyObject *)new_index(batch);
    fields[3] = sorted ? Py_NewRef(Py_None) : (PyObject *)new_index(batch);
    if (fields[0] != NULL && fields[1] != NULL && fields[2] != NULL && fields[3] != NULL) {
        int64_t *sizes = data_of(fields[1]);
        count_sizes(sizes, rows.steps, PyArray_DATA(lengths), batch);
        if (!sorted) {
            rows.order = data_of(fields[2]);
            sort_lengths(data_of(fields[2]), data_of(fields[3]), sizes, rows.steps,
                         PyArray_DATA(lengths), batch);
        }
        rows.packed = data_of(fields[0]);
        rows.sizes = sizes;
        copy_rows(&rows, true);
        result = PyTuple_Pack(4, fields[0], fields[1], fields[2], fields[3]);
    }
    for (int i = 0; i < 4; i++)
        Py_XDECREF(fields[i]);
    return result;
}

/* What a function of the module returns for NULL without an exception. */
static PyObject *or_none(PyObject *result)
{
    return result == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : result;
}

PyDoc_STRVAR(pack_padded_doc,
             "pack_padded($module, input, lengths, batch_first, enforce_sorted, /)\n--\n\n"
             "The fields of a PackedSequence, or None for what is unusual or wrong.");

static PyObject *pack_padded(PyObject *module, PyObject *args)
{
    PyObject *input, *given, *batch_first, *sorted, *fields = NULL;
    PyArrayObject *lengths;

    (void)module;
    if (!PyArg_UnpackTuple(args, "pack_padded", 4, 4, &input, &given, &batch_first, &sorted))
        return NULL;
    lengths = copy_lengths(given); /* first: a new tuple may run code that changes the input */
    if (lengths != NULL && is_plain(input) && PyBool_Check(batch_first) && PyBool_Check(sorted))
        fields = pack((PyArrayObject *)input, lengths, batch_first == Py_True, sorted == Py_True);
    array_release(lengths);
    return or_none(fields);
}

/* ---- Packed to padded ---- */

/* True where the sizes are positive, do not increase, and sum up to `total`. */
static bool sizes_fit(const int64_t *sizes, npy_intp steps, npy_intp total)
{
    for (npy_intp step = 0; step < steps; step++) {
        if (sizes[step] < 1 || sizes[step] > total || (step > 0 && sizes[step] > sizes[step - 1]))
            return false;
        total -= sizes[step];
    }
    return steps > 0 && total == 0;
}

/* The lengths of the sequences: `steps` from sizes[steps] to sizes[steps - 1]. */
static void count_lengths(int64_t *lengths, const struct rows *rows)
{
    int64_t i = 0;

    for (npy_intp step = rows->steps; step > 0; step--)
        for (; i < rows->sizes[step - 1]; i++)
            lengths[rows->order == NULL ? i : rows->order[i]] = step;
}

/* The padded batch and the lengths. NULL without an exception where the fields do not fit. */
static PyObject *pad(PyArrayObject *data, struct rows *rows, bool batch_first, npy_intp length)
{
    const npy_intp batch = rows->sizes[0];
    const bool full = rows->total % batch == 0 && rows->total / batch == length;
    npy_intp dims[NPY_MAXDIMS + 1];
    PyObject *result = NULL;

    dims[batch_first] = length;
    dims[!batch_first] = batch;
    for (int axis = 1; axis < PyArray_NDIM(data); axis++)
        dims[axis + 1] = PyArray_DIM(data, axis);
    PyArrayObject *lengths = new_index(batch);
    PyArrayObject *padded = new_array(data, PyArray_NDIM(data) + 1, dims, !full);
    if (lengths != NULL && padded != NULL) {
        set_padded(rows, padded, batch_first);
        count_lengths(PyArray_DATA(lengths), rows);
        copy_rows(rows, false);
        result = PyTuple_Pack(2, padded, lengths);
    }
    array_release(lengths);
    array_release(padded);
    return result;
}

/* pad() after the checks of `sizes`, a copy, and of the indices. */
static PyObject *pad_checked(PyArrayObject *data, PyArrayObject *sizes, PyObject *indices,
                             bool batch_first, npy_intp length)
{
    PyArrayObject *inverse = NULL;
    PyObject *result = NULL;
    struct rows rows = {.bytes = row_bytes(data, 1), .steps = PyArray_SIZE(sizes)};

    rows.sizes = PyArray_DATA(sizes);
    rows.total = PyArray_DIM(data, 0);
    rows.packed = PyArray_BYTES(data);
    /* NumPy leaves the strides of axes of length 1 undefined. */
    rows.packed_stride = rows.total > 1 ? PyArray_STRIDE(data, 0) : rows.bytes;
    if (rows.bytes < 0 || !sizes_fit(rows.sizes, rows.steps, rows.total))
        return NULL;
    if (indices != Py_None) {
        inverse = packing_inverse(indices, rows.sizes[0]);
        if (inverse == NULL)
            return NULL;
        rows.order = PyArray_DATA(inverse);
    }
    if (inverse == NULL || PyArray_SIZE(inverse) == rows.sizes[0])
        result = pad(data, &rows, batch_first, length);
    array_release(inverse);
    return result;
}

/* True for 0 and +0.0. */
static bool is_zero(PyObject *number)
{
    int overflow;

    if (PyFloat_CheckExact(number))
        return PyFloat_AsDouble(number) == 0.0 && !signbit(PyFloat_AsDouble(number));
    return PyLong_CheckExact(number) && PyLong_AsLongAndOverflow(number, &overflow) == 0 &&
           overflow == 0;
}

PyDoc_STRVAR(pad_packed_doc, "pad_packed($module, data, batch_sizes, unsorted_indices, "
                             "batch_first, padding_value, total_length, /)\n--\n\n"
                             "The padded batch and its lengths, or None for what is unusual or "
                             "wrong.");

static PyObject *pad_packed(PyObject *module, PyObject *args)
{
    PyObject *data, *given, *indices, *batch_first, *padding, *total_length, *result;
    PyArrayObject *sizes;
    npy_intp steps, length;

    (void)module;
    if (!PyArg_UnpackTuple(args, "pad_packed", 6, 6, &data, &given, &indices, &batch_first,
                           &padding, &total_length))
        return NULL;
    if (!is_plain(data) || PyArray_NDIM((PyArrayObject *)data) == 0 || !PyArray_CheckExact(given) ||
        !PyBool_Check(batch_first) || !is_zero(padding))
        return or_none(NULL);
    steps = length = PyArray_SIZE((PyArrayObject *)given);
    if (PyLong_CheckExact(total_length))
        length = PyLong_AsSsize_t(total_length);
    else if (total_length != Py_None)
        length = -1;
    PyErr_Clear(); /* of a length that is too large */
    /* Not copied without a bound of its size. */
    if (length < steps || steps > PyArray_DIM((PyArrayObject *)data, 0) ||
        (sizes = packing_copy(given)) == NULL)
        return or_none(NULL);
    result = pad_checked((PyArrayObject *)data, sizes, indices, batch_first == Py_True, length);
    array_release(sizes);
    return or_none(result);
}

PyMethodDef packing_methods[] = {
    {"pack_padded", pack_padded, METH_VARARGS, pack_padded_doc},
    {"pad_packed", pad_packed, METH_VARARGS, pad_packed_doc},
    {NULL, NULL, 0, NULL},
};
