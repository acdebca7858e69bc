#include "stream_hx.h"

#include "arrays.h"
#include "errors.h"
#include "memory.h"

#include "../core/fpenv.h"

#include <string.h>

/* ---- Memory ---- */

/* Elements of a bank are at most so many: then no size in bytes can overflow. */
#define MOST_ELEMENTS (PTRDIFF_MAX / 64)

static size_t aligned(ptrdiff_t nbytes)
{
    return ((size_t)nbytes + MEMORY_ALIGNMENT - 1) & ~(size_t)(MEMORY_ALIGNMENT - 1);
}

/* Finds the memory for hx->capacity rows; the other fields that say sizes are set. */
static int allocate(struct stream_hx *hx)
{
    const ptrdiff_t capacity = hx->capacity, widest = hx->width[0] + hx->width[1];

    hx->memory = NULL;
    if (capacity <= MOST_ELEMENTS / hx->layers / widest) {
        const ptrdiff_t elements = hx->layers * capacity * stream_hx_itemsize(hx);
        hx->c_offset = aligned(elements * hx->width[0]);
        hx->bank_nbytes = hx->c_offset + aligned(elements * hx->width[1]);
        const size_t banks = STREAM_BANKS * hx->bank_nbytes;
        const size_t each = sizeof *hx->index + sizeof *hx->marks;
        hx->memory = memory_new_zeroed(MEMORY_ALIGNMENT + banks + (size_t)capacity * each);
    }
    if (hx->memory == NULL) {
        error_raise(PyExc_MemoryError, "the states of %zd rows do not fit into memory",
                    (Py_ssize_t)capacity);
        return -1;
    }
    hx->banks = memory_align(hx->memory, MEMORY_ALIGNMENT);
    hx->index = (int64_t *)(void *)(hx->banks + STREAM_BANKS * hx->bank_nbytes);
    hx->marks = (unsigned char *)(hx->index + capacity);
    return 0;
}

int stream_hx_new(struct stream_hx *hx, const struct rnn_net *net, ptrdiff_t rows)
{
    *hx = (struct stream_hx){
        .dtype = net->kernels->dtype,
        .layers = net->num_layers,
        .width = {rnn_hidden_out(net), rnn_has_c(net) ? net->hidden_size : 0},
        .rows = rows,
        .capacity = rows,
    };
    return allocate(hx);
}

void stream_hx_free(struct stream_hx *hx)
{
    memory_free(hx->memory);
    hx->memory = NULL;
}

void stream_hx_replace(struct stream_hx *hx, struct stream_hx *other)
{
    memory_free(hx->memory);
    *hx = *other;
    other->memory = NULL;
}

/* No value changes, and that a subnormal one does not, is for the default environment to say. */
static void widen(const float *from, double *to, ptrdiff_t count)
{
    const fpenv_t saved = fpenv_enter();

    for (ptrdiff_t i = 0; i < count; i++)
        to[i] = (double)from[i];
    fpenv_leave(saved);
}

int stream_hx_copy(const struct stream_hx *hx, enum dtype dtype, struct stream_hx *copy)
{
    const bool same = hx->dtype == dtype;

    *copy = *hx;
    copy->dtype = dtype;
    copy->current = 0;
    if (allocate(copy) < 0)
        return -1;
    for (int item = 0; item < 2; item++) {
        const void *from = stream_hx_data(hx, hx->current, item);
        void *to = stream_hx_data(copy, 0, item);
        if (same)
            memcpy(to, from, stream_hx_nbytes(hx, item));
        else
            widen(from, to, hx->layers * hx->rows * hx->width[item]);
    }
    return 0;
}

/* ---- Rows ---- */

/* Copies the rows of the states to a bank of `to`, in which they lie side by side. */
static void gather(const struct stream_hx *hx, const struct stream_hx *to, int bank,
                   const int64_t *rows, ptrdiff_t count)
{
    for (int item = 0; item < 2; item++) {
        const ptrdiff_t nbytes = hx->width[item] * stream_hx_itemsize(hx);
        const char *source = stream_hx_data(hx, hx->current, item);
        char *target = stream_hx_data(to, bank, item);
        for (ptrdiff_t layer = 0; nbytes > 0 && layer < hx->layers; layer++)
            for (ptrdiff_t i = 0; i < count; i++, target += nbytes) {
                const ptrdiff_t row = rows != NULL ? (ptrdiff_t)rows[i] : i;
                if (row < hx->rows)
                    memcpy(target, source + (layer * hx->rows + row) * nbytes, (size_t)nbytes);
                else
                    memset(target, 0, (size_t)nbytes);
            }
    }
}

void stream_hx_gather(const struct stream_hx *hx, int bank, const int64_t *rows, ptrdiff_t count)
{
    gather(hx, hx, bank, rows, count);
}

void stream_hx_scatter(const struct stream_hx *hx, int bank, const int64_t *rows, ptrdiff_t count)
{
    for (int item = 0; item < 2; item++) {
        const ptrdiff_t nbytes = hx->width[item] * stream_hx_itemsize(hx);
        const char *source = stream_hx_data(hx, bank < 0 ? 0 : bank, item);
        char *target = stream_hx_data(hx, hx->current, item);
        for (ptrdiff_t layer = 0; nbytes > 0 && layer < hx->layers; layer++)
            for (ptrdiff_t i = 0; i < count; i++) {
                char *row = target + (layer * hx->rows + rows[i]) * nbytes;
                if (bank >= 0)
                    memcpy(row, source + (layer * count + i) * nbytes, (size_t)nbytes);
                else
                    memset(row, 0, (size_t)nbytes);
            }
    }
}

int stream_hx_select(struct stream_hx *hx, const int64_t *rows, ptrdiff_t count)
{
    struct stream_hx grown = *hx;

    if (count <= hx->capacity) {
        gather(hx, hx, !hx->current, rows, count);
        hx->current = !hx->current;
        hx->rows = count;
        return 0;
    }
    grown.rows = count;
    grown.capacity = count / 2 < hx->capacity ? count + count / 2 : count;
    grown.current = 0;
    if (allocate(&grown) < 0)
        return -1;
    gather(hx, &grown, 0, rows, count);
    stream_hx_replace(hx, &grown);
    return 0;
}

/* ---- To and from Python ---- */

static PyObject *item_to_python(struct module_state *module_state, const struct stream_hx *hx,
                                int item)
{
    const npy_intp dims[3] = {hx->layers, hx->rows, hx->width[item]};
    PyArrayObject *array = array_new(module_state, hx->dtype, 3, dims);

    if (array != NULL)
        memcpy(PyArray_DATA(array), stream_hx_data(hx, hx->current, item),
               stream_hx_nbytes(hx, item));
    return (PyObject *)array;
}

PyObject *stream_hx_to_python(struct module_state *module_state, const struct stream_hx *hx)
{
    PyObject *h = item_to_python(module_state, hx, 0), *c, *pair = NULL;

    if (h == NULL || hx->width[1] == 0)
        return h;
    c = item_to_python(module_state, hx, 1);
    if (c != NULL)
        pair = PyTuple_Pack(2, h, c);
    Py_DECREF(h);
    Py_XDECREF(c);
    return pair;
}

COLD static int error_item_shape(const struct stream_hx *hx, PyArrayObject *array, int item,
                                 const char *name)
{
    const bool pair = hx->width[1] > 0;
    const char *index = !pair ? "" : item == 0 ? "[0]" : "[1]";
    const bool other_rows = PyArray_NDIM(array) == 3 && PyArray_DIM(array, 0) == hx->layers &&
                            PyArray_DIM(array, 2) == hx->width[item];

    return error_with_shape(
        PyExc_ValueError, array,
        "%s%s must have shape (%zd, %zd, %zd), that is (num_layers, N, features) for the N rows of "
        "the stream%s; it has shape ",
        name, index, (Py_ssize_t)hx->layers, (Py_ssize_t)hx->rows, (Py_ssize_t)hx->width[item],
        !other_rows               ? ""
        : strcmp(name, "hx") == 0 ? " (batch says how many)"
                                  : " (join, leave and select change how many)");
}

/* A C-contiguous array of the right shape and dtype, which nothing else reshapes. */
static PyArrayObject *item_from_python(struct module_state *module_state,
                                       const struct stream_hx *hx, PyObject *object, int item,
                                       const char *name)
{
    char label[16];
    PyArrayObject *opened, *array;

    PyOS_snprintf(label, sizeof label, hx->width[1] == 0 ? "%s" : "%s[%d]", name, item);
    opened = array_open(object, label);
    array = opened == NULL ? NULL : (PyArrayObject *)PyArray_View(opened, NULL, &PyArray_Type);
    array_release(opened);
    if (array == NULL)
        return NULL;
    if (PyArray_NDIM(array) != 3 || PyArray_DIM(array, 0) != hx->layers ||
        PyArray_DIM(array, 1) != hx->rows || PyArray_DIM(array, 2) != hx->width[item])
        error_item_shape(hx, array, item, name);
    else if (array_check_real(array, label) == 0 && array_fit(module_state, &array, hx->dtype) == 0)
        return array;
    array_release(array);
    return NULL;
}

COLD static void error_no_pair(PyObject *object, const char *name)
{
    char what[80];

    PyOS_snprintf(what, sizeof what, "%s must be a tuple or list of two arrays, (h, c)", name);
    if (PyArray_Check(object))
        error_with_shape(PyExc_TypeError, (PyArrayObject *)object, "%s, got one array of shape ",
                         what);
    else
        error_type(what, object);
}

/* Item "item" of what holds the states: a new reference. */
static PyObject *item_of(const struct stream_hx *hx, PyObject *object, int item, const char *name)
{
    const bool sequence = PyTuple_Check(object) || PyList_Check(object);

    if (hx->width[1] > 0) {
        if (sequence && PySequence_Size(object) == 2)
            return PySequence_GetItem(object, item);
        if (!PyErr_Occurred() && sequence)
            error_raise(PyExc_ValueError, "%s must hold two arrays, (h, c), got %zd", name,
                        PySequence_Size(object));
        else if (!sequence)
            error_no_pair(object, name);
        return NULL;
    }
    const int holds = sequence ? arrays_are_in(object) : 0;
    if (holds > 0)
        error_raise(PyExc_TypeError, "%s must be one array, h: only an LSTM has a pair (h, c)",
                    name);
    return holds == 0 ? Py_NewRef(object) : NULL;
}

int stream_hx_from_python(struct module_state *module_state, const struct stream_hx *hx,
                          PyObject *object, const char *name)
{
    for (int item = 0; item < 2 && hx->width[item] > 0; item++) {
        PyObject *given = item_of(hx, object, item, name);
        PyArrayObject *array =
            given == NULL ? NULL : item_from_python(module_state, hx, given, item, name);
        Py_XDECREF(given);
        if (array == NULL)
            return -1;
        memcpy(stream_hx_data(hx, hx->current, item), PyArray_DATA(array),
               stream_hx_nbytes(hx, item));
        array_release(array);
    }
    return 0;
}
