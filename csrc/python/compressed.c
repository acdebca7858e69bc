#include "compressed.h"

#include "arrays.h"
#include "errors.h"
#include "form.h"
#include "lease.h"
#include "memory.h"
#include "parameter_names.h"

#include "../core/compress.h"
#include "../core/params.h"

#include <string.h>

/* Weights from which compressing takes long enough (about 100 us) to let other threads run. */
#define UNLOCKED_ELEMENTS 100000

/* ---- Where a parameter stands ---- */

/* A parameter, and what is stored of it. */
struct place {
    struct rnn_param param;
    struct rnn_stored at;
    enum storage storage;
};

static struct place place_of(const struct weights *weights, ptrdiff_t index)
{
    return (struct place){rnn_param_at(&weights->net, index), rnn_stored_at(&weights->net, index),
                          form_storage(weights->net.kernels)};
}

static size_t size_of(const struct place *place) { return place->at.end - place->at.values; }

/* The scales of what stands at `bytes`; NULL where there are none. */
static void *scales_of(const struct place *place, void *bytes)
{
    if (place->at.scales == place->at.end)
        return NULL;
    return (char *)bytes + (place->at.scales - place->at.values);
}

static void *bytes_at(const struct weights *weights, const struct place *place)
{
    return (char *)weights->params + place->at.values;
}

/* The type of NumPy's of what is stored: bfloat16, which NumPy has not, is its bits. */
static int typenum_of(const struct place *place)
{
    static const int typenums[STORAGES] = {
        [STORAGE_INT8] = NPY_INT8,       [STORAGE_INT8_FAST] = NPY_INT8,
        [STORAGE_INT16] = NPY_INT16,     [STORAGE_BFLOAT16] = NPY_UINT16,
        [STORAGE_FLOAT16] = NPY_FLOAT16,
    };

    return place->at.compressed ? typenums[place->storage] : NPY_FLOAT32;
}

/* ---- Reading ---- */

static void widen(const struct place *place, void *bytes, float *values)
{
    const ptrdiff_t rows = place->param.rows, cols = place->param.cols;
    PyThreadState *thread = rows * cols < UNLOCKED_ELEMENTS ? NULL : PyEval_SaveThread();

    if (place->at.compressed)
        storage_widen(place->storage, bytes, scales_of(place, bytes), rows, cols, values);
    else
        memcpy(values, bytes, (size_t)(rows * cols) * sizeof *values);
    if (thread != NULL)
        PyEval_RestoreThread(thread);
}

PyObject *compressed_widened(struct module_state *module_state, const struct weights *weights,
                             ptrdiff_t index)
{
    const struct place place = place_of(weights, index);
    npy_intp dims[2] = {place.param.rows, place.param.cols};
    PyArray_Descr *descr = module_state->descr[DTYPE_FLOAT32];
    /* The memory of a bytes object: NumPy lets no code make such an array writable. */
    PyObject *memory = PyBytes_FromStringAndSize(NULL, place.param.rows * place.param.cols *
                                                           (Py_ssize_t)sizeof(float));

    if (memory == NULL)
        return NULL;
    widen(&place, bytes_at(weights, &place), (void *)PyBytes_AsString(memory));
    Py_INCREF((PyObject *)descr);
    return lease_array_on(memory, descr, place.param.ndim, dims, PyBytes_AsString(memory),
                          NPY_ARRAY_CARRAY_RO);
}

PyObject *compressed_stored(struct module_state *module_state, struct weights *weights,
                            ptrdiff_t index)
{
    const struct place place = place_of(weights, index);
    char *bytes = bytes_at(weights, &place);
    void *scales = scales_of(&place, bytes);
    npy_intp dims[2] = {place.param.rows, place.param.cols}, scale_dims[2] = {place.param.rows, 1};
    PyObject *stored = lease_view(module_state, weights, PyArray_DescrFromType(typenum_of(&place)),
                                  place.param.ndim, dims, bytes, place.at.scales - place.at.values);
    PyObject *scale = scales == NULL
                          ? Py_NewRef(Py_None)
                          : lease_view(module_state, weights, PyArray_DescrFromType(NPY_FLOAT32), 2,
                                       scale_dims, scales, place.at.end - place.at.scales);
    PyObject *pair = stored == NULL || scale == NULL ? NULL : PyTuple_Pack(2, stored, scale);

    Py_XDECREF(stored);
    Py_XDECREF(scale);
    return pair;
}

/* ---- Compressing ---- */

/* Returns whether the storage holds all of so many rows, which are compressed then. */
static bool compress(const struct place *place, const float *values, ptrdiff_t rows, void *stored,
                     float *scales)
{
    const ptrdiff_t cols = place->param.cols;
    PyThreadState *thread = rows * cols < UNLOCKED_ELEMENTS ? NULL : PyEval_SaveThread();
    bool held = true;

    if (place->at.compressed)
        held = storage_compress(place->storage, values, rows, cols, stored, scales);
    else
        memcpy(stored, values, (size_t)(rows * cols) * sizeof *values);
    if (thread != NULL)
        PyEval_RestoreThread(thread);
    return held;
}

/* ValueError that names the first weight which the storage cannot hold. */
COLD static int error_not_held(const struct place *place, PyObject *name, ptrdiff_t first,
                               ptrdiff_t rows, const float *values)
{
    const struct storage_format *format = &storage_formats[place->storage];
    const bool is_integer = storage_is_integer(format);
    const ptrdiff_t cols = place->param.cols;
    ptrdiff_t at = 0;
    uint16_t stored; /* of any storage */
    float scale;

    while (at < rows * cols - 1 &&
           storage_compress(place->storage, values + at, 1, 1, &stored, &scale))
        at++;
    PyObject *value = PyFloat_FromDouble((double)values[at]);
    if (value != NULL)
        PyErr_Format(PyExc_ValueError, "%S[%zd, %zd] is %S, which %s cannot hold: %s", name,
                     (Py_ssize_t)(first + at / cols), (Py_ssize_t)(at % cols), value, format->name,
                     is_integer ? "its rows have one scale each, for weights of at most 3.4e+38"
                     : place->storage == STORAGE_FLOAT16 ? "its largest number is 65504"
                                                         : "its largest number is 3.38953e+38");
    Py_XDECREF(value);
    return -1;
}

/* ---- Values from Python ---- */

/* Copies so many rows of stored weights, and their scales or None, to `bytes` and `scales`. */
static int copy_stored(const struct place *place, PyObject *name, PyObject *pair, ptrdiff_t rows,
                       void *bytes, float *scales)
{
    const struct rnn_param *param = &place->param;
    const char *form = storage_formats[place->storage].name;
    PyObject *stored = PyTuple_Size(pair) == 2 ? PyTuple_GetItem(pair, 0) : Py_None;
    PyObject *scale = PyTuple_Size(pair) == 2 ? PyTuple_GetItem(pair, 1) : Py_None;

    if (!array_is(stored, typenum_of(place), param->ndim, rows, param->cols) ||
        (scales == NULL ? scale != Py_None : !array_is(scale, NPY_FLOAT32, 2, rows, 1)))
        return error_raise(PyExc_ValueError, "%R takes stored weights of %s of its shape", name,
                           form);
    const size_t size = (size_t)PyArray_NBYTES((PyArrayObject *)stored);
    memcpy(bytes, PyArray_DATA((PyArrayObject *)stored), size);
    if (scales == NULL)
        return 0;
    memcpy(scales, PyArray_DATA((PyArrayObject *)scale), (size_t)rows * sizeof *scales);
    if (storage_is_sound(place->storage, bytes, scales, rows, param->cols))
        return 0;
    memset(bytes, 0, size); /* the kernels rely on what stands here */
    memset(scales, 0, (size_t)rows * sizeof *scales);
    return error_raise(PyExc_ValueError,
                       "%S has integers or scales that %s does not have: its integers are "
                       "bounded, its scales finite and not negative, and their products finite",
                       name, form);
}

static int fill_bytes(const struct place *place, PyObject *name, PyObject *value, void *bytes)
{
    const struct rnn_param *param = &place->param;

    if (PyTuple_Check(value))
        return copy_stored(place, name, value, param->rows, bytes, scales_of(place, bytes));
    if (!array_is(value, NPY_FLOAT32, param->ndim, param->rows, param->cols))
        return error_raise(PyExc_ValueError,
                           "%R takes a C-contiguous float32 array of its shape, got %R", name,
                           (PyObject *)Py_TYPE(value));
    const float *values = PyArray_DATA((PyArrayObject *)value);
    if (!compress(place, values, param->rows, bytes, scales_of(place, bytes)))
        return error_not_held(place, name, 0, param->rows, values);
    return 0;
}

void *compressed_bytes(const struct weights *weights, ptrdiff_t index, PyObject *name,
                       PyObject *value)
{
    const struct place place = place_of(weights, index);
    void *bytes = memory_new(size_of(&place) + 1); /* malloc(0) may return NULL */

    if (bytes == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (fill_bytes(&place, name, value, bytes) < 0) {
        memory_free(bytes);
        return NULL;
    }
    return bytes;
}

void compressed_write(struct weights *weights, ptrdiff_t index, const void *bytes)
{
    const struct place place = place_of(weights, index);

    memcpy(bytes_at(weights, &place), bytes, size_of(&place));
}

int compressed_write_rows(struct weights *weights, ptrdiff_t index, PyObject *name, ptrdiff_t first,
                          PyObject *value)
{
    const struct place place = place_of(weights, index);
    const bool is_stored = PyTuple_Check(value) && PyTuple_Size(value) > 0;
    PyArrayObject *array = (PyArrayObject *)(is_stored ? PyTuple_GetItem(value, 0) : value);
    const ptrdiff_t rows = PyArray_DIM(array, 0);
    char *stored = bytes_at(weights, &place);
    float *scales = scales_of(&place, stored);
    const size_t itemsize =
        place.at.compressed ? storage_itemsize(weights->net.kernels) : sizeof(float);

    stored += (size_t)(first * place.param.cols) * itemsize;
    scales = scales == NULL ? NULL : scales + first;
    if (is_stored)
        return copy_stored(&place, name, value, rows, stored, scales);
    const float *values = PyArray_DATA(array);
    if (!compress(&place, values, rows, stored, scales))
        return error_not_held(&place, name, first, rows, values);
    return 0;
}

/* ---- Converting ---- */

/* Parameters of the same network with other kernels, all zero. */
static struct weights *like(const struct weights *weights, const struct rnn_kernels *kernels)
{
    struct rnn_net net = weights->net;

    net.kernels = kernels;
    return weights_new(&net, weights->cell);
}

/* Copies or converts one parameter: of `weights` to `result`, of which one is compressed. */
static int convert(const struct weights *weights, struct weights *result, ptrdiff_t index)
{
    const bool compressing = kernels_are_compressed(result->net.kernels);
    const struct place place = place_of(compressing ? result : weights, index);
    float *floats = compressing ? weights->watches[index].values : result->watches[index].values;

    if (!compressing) {
        widen(&place, bytes_at(weights, &place), floats);
        return 0;
    }
    void *bytes = bytes_at(result, &place);
    if (compress(&place, floats, place.param.rows, bytes, scales_of(&place, bytes)))
        return 0;
    PyObject *name = parameters_name(weights, index);
    if (name != NULL)
        error_not_held(&place, name, 0, place.param.rows, floats);
    Py_XDECREF(name);
    return -1;
}

struct weights *compressed_converted(const struct weights *weights,
                                     const struct rnn_kernels *kernels)
{
    struct weights *result = like(weights, kernels);

    for (ptrdiff_t i = 0; result != NULL && i < rnn_param_count(&weights->net); i++)
        if (convert(weights, result, i) < 0) {
            weights_release(result);
            return NULL;
        }
    return result;
}
