#include "parameters.h"

#include "arrays.h"
#include "compressed.h"
#include "dtype.h"
#include "errors.h"
#include "form.h"
#include "memory.h"
#include "parameter_names.h"

#include "../core/fpenv.h"
#include "../core/params.h"
#include "../simd/dispatch.h"

#include <string.h>

/* ValueError unless "value" has the dtype, the shape and the layout of the parameter. */
static int check_value(const struct weights *weights, const struct rnn_param *param, PyObject *name,
                       PyObject *value)
{
    const ptrdiff_t kernel = weights->net.kernel,
                    cols = kernel ? param->cols / kernel : param->cols;
    PyObject *shape;

    if (array_is(value, dtype_typenum(weights->net.kernels->dtype), param->ndim, param->rows,
                 cols) &&
        (param->ndim < 3 || PyArray_DIM((PyArrayObject *)value, 2) == kernel))
        return 0;
    if (param->ndim == 1)
        shape = Py_BuildValue("(n)", (Py_ssize_t)param->rows);
    else if (param->ndim == 2)
        shape = Py_BuildValue("(nn)", (Py_ssize_t)param->rows, (Py_ssize_t)cols);
    else
        shape =
            Py_BuildValue("(nnn)", (Py_ssize_t)param->rows, (Py_ssize_t)cols, (Py_ssize_t)kernel);
    if (shape != NULL)
        PyErr_Format(PyExc_ValueError, "%R takes a C-contiguous %s array of shape %R, got %R", name,
                     dtype_name(weights->net.kernels->dtype), shape, (PyObject *)Py_TYPE(value));
    Py_XDECREF(shape);
    return -1;
}

/* Checks all of the (name, value) pairs, or copies all of them. */
static int assign_all(struct weights *weights, PyObject *items, bool copy)
{
    const size_t itemsize = weights->net.kernels->itemsize;
    const Py_ssize_t count = PyList_Size(items);

    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PyList_GetItem(items, i);
        PyObject *name = PyTuple_GetItem(item, 0);
        PyObject *value = PyTuple_GetItem(item, 1);
        const ptrdiff_t index = parameters_index(weights, name);
        if (index < 0)
            return -1;
        const struct rnn_param param = rnn_param_at(&weights->net, index);
        if (!copy && check_value(weights, &param, name, value) < 0)
            return -1;
        /* memmove: the value may be an array on these very weights. */
        if (copy)
            memmove((char *)weights->params + (size_t)param.offset * itemsize,
                    PyArray_DATA((PyArrayObject *)value),
                    (size_t)(param.rows * param.cols) * itemsize);
    }
    return 0;
}

/* The bytes for all of the (name, value) pairs, pair after pair, or NULL. */
static int stage_all(const struct weights *weights, PyObject *items, void **staged)
{
    for (Py_ssize_t i = 0; i < PyList_Size(items); i++) {
        PyObject *item = PyList_GetItem(items, i), *name = PyTuple_GetItem(item, 0);
        const ptrdiff_t index = parameters_index(weights, name);
        if (index < 0)
            return -1;
        staged[i] = compressed_bytes(weights, index, name, PyTuple_GetItem(item, 1));
        if (staged[i] == NULL)
            return -1;
    }
    return 0;
}

/* assign_all() for compressed weights, both rounds. */
static int assign_compressed(struct weights *weights, PyObject *items)
{
    const Py_ssize_t count = PyList_Size(items);
    void **staged = memory_new_zeroed((size_t)(count + 1) * sizeof *staged);
    int result;

    if (staged == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    result = stage_all(weights, items, staged);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (result == 0)
            compressed_write(
                weights, parameters_index(weights, PyTuple_GetItem(PyList_GetItem(items, i), 0)),
                staged[i]);
        memory_free(staged[i]);
    }
    memory_free(staged);
    return result;
}

int parameters_assign(struct weights *weights, PyObject *values)
{
    PyObject *items;
    int result;

    if (!PyDict_Check(values))
        return error_type("_native_assign() takes a dict of names and arrays", values);
    items = PyDict_Items(values); /* a list of our own, which no other code can change */
    if (items == NULL)
        return -1;
    if (kernels_are_compressed(weights->net.kernels)) {
        result = assign_compressed(weights, items);
    } else {
        result = assign_all(weights, items, false);
        if (result == 0)
            assign_all(weights, items, true);
    }
    if (result == 0)
        weights_changed(weights);
    Py_DECREF(items);
    return result;
}

int parameters_assign_rows(struct weights *weights, PyObject *name, Py_ssize_t first,
                           PyObject *rows)
{
    const bool is_compressed = kernels_are_compressed(weights->net.kernels);
    const bool is_stored = is_compressed && PyTuple_Check(rows) && PyTuple_Size(rows) > 0;
    PyObject *value = is_stored ? PyTuple_GetItem(rows, 0) : rows;
    PyArrayObject *array = (PyArrayObject *)value;
    const ptrdiff_t index = parameters_index(weights, name);
    int result = 0;

    if (index < 0)
        return -1;
    const struct rnn_param param = rnn_param_at(&weights->net, index);
    if (!PyArray_Check(value) || PyArray_NDIM(array) != param.ndim || first < 0 ||
        PyArray_DIM(array, 0) > param.rows - first ||
        (!is_stored && (PyArray_TYPE(array) != dtype_typenum(weights->net.kernels->dtype) ||
                        !PyArray_ISCARRAY_RO(array) ||
                        PyArray_SIZE(array) != PyArray_DIM(array, 0) * param.cols)))
        return error_raise(PyExc_ValueError, "_assign_rows() takes rows of %R", name);
    if (is_compressed)
        result = compressed_write_rows(weights, index, name, first, rows);
    else
        memmove((char *)weights->params +
                    (size_t)(param.offset + first * param.cols) * weights->net.kernels->itemsize,
                PyArray_DATA(array), (size_t)PyArray_NBYTES(array));
    weights_changed(weights);
    return result;
}

static void draw(struct module_state *module_state, struct weights *weights)
{
    lock_acquire(&module_state->rng_lock);
    rnn_reset_parameters(&weights->net, &module_state->rng, weights->params);
    lock_release(&module_state->rng_lock);
}

int parameters_reset(struct module_state *module_state, struct weights *weights)
{
    struct weights *floats, *drawn;

    if (!kernels_are_compressed(weights->net.kernels)) {
        draw(module_state, weights);
        weights_changed(weights);
        return 0;
    }
    floats = compressed_converted(weights, kernels_current(DTYPE_FLOAT32));
    if (floats == NULL)
        return -1;
    draw(module_state, floats);
    drawn = compressed_converted(floats, weights->net.kernels);
    weights_release(floats);
    if (drawn == NULL)
        return -1;
    memcpy(weights->params, drawn->params, weights->nbytes);
    weights_release(drawn);
    weights_changed(weights);
    return 0;
}

static struct weights *floats_converted(const struct weights *weights,
                                        const struct rnn_kernels *kernels)
{
    struct rnn_net net = weights->net;
    const ptrdiff_t count = rnn_params_size(&net);
    struct weights *result;

    net.kernels = kernels;
    result = weights_new(&net, weights->cell);
    if (result == NULL)
        return NULL;
    const fpenv_t saved = fpenv_enter();
    if (kernels->dtype == weights->net.kernels->dtype)
        memcpy(result->params, weights->params, weights->nbytes);
    else if (kernels->dtype == DTYPE_FLOAT64)
        for (ptrdiff_t i = 0; i < count; i++)
            ((double *)result->params)[i] = (double)((const float *)weights->params)[i];
    else
        for (ptrdiff_t i = 0; i < count; i++)
            ((float *)result->params)[i] = (float)((const double *)weights->params)[i];
    fpenv_leave(saved);
    return result;
}

struct weights *parameters_converted(const struct weights *weights,
                                     const struct rnn_kernels *kernels)
{
    const struct rnn_kernels *from = weights->net.kernels;
    const bool compressed = kernels_are_compressed(from),
               compressing = kernels_are_compressed(kernels);
    struct weights *floats, *result;

    if (!compressed && !compressing)
        return floats_converted(weights, kernels);
    if (compressed != compressing && from->dtype == kernels->dtype)
        return compressed_converted(weights, kernels);
    /* By float32, of whose values there is nothing to lose but a storage's. */
    floats = parameters_converted(weights, kernels_current(DTYPE_FLOAT32));
    if (floats == NULL)
        return NULL;
    result = parameters_converted(floats, kernels);
    weights_release(floats);
    return result;
}
