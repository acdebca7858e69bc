#include "parameters.h"

#include "dtype.h"
#include "errors.h"

#include "../core/fpenv.h"
#include "../core/params.h"
#include "../simd/dispatch.h"

#include <string.h>

static const char *const kind_names[] = {
    [WEIGHT_IH] = "weight_ih", [WEIGHT_HH] = "weight_hh", [BIAS_IH] = "bias_ih",
    [BIAS_HH] = "bias_hh",     [WEIGHT_HR] = "weight_hr", [WEIGHT_PI] = "weight_pi",
    [WEIGHT_PF] = "weight_pf", [WEIGHT_PO] = "weight_po",
};

static PyObject *param_name(const struct weights *weights, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(&weights->net, index);

    if (weights->cell)
        return PyUnicode_FromString(kind_names[param.kind]);
    return PyUnicode_FromFormat("%s_l%zd%s", kind_names[param.kind], (Py_ssize_t)param.layer,
                                param.direction ? "_reverse" : "");
}

PyObject *parameters_names(const struct weights *weights)
{
    const ptrdiff_t count = rnn_param_count(&weights->net);
    PyObject *names = PyTuple_New(count);

    if (names == NULL)
        return NULL;
    for (ptrdiff_t index = 0; index < count; index++) {
        PyObject *name = param_name(weights, index);
        if (name == NULL || PyTuple_SetItem(names, index, name) < 0) {
            Py_DECREF(names);
            return NULL;
        }
    }
    return names;
}

/* The kind that "text" begins with, and what follows it; -1 for none. */
static int parse_kind(const char **text)
{
    for (int kind = 0; kind < PARAM_KINDS; kind++) {
        const size_t length = strlen(kind_names[kind]);
        if (strncmp(*text, kind_names[kind], length) == 0) {
            *text += length;
            return kind;
        }
    }
    return -1;
}

/* Reads "_l{layer}" and "_reverse". Returns the number of layer and direction in torch's
 * order, -1 for anything else. */
static ptrdiff_t parse_place(const struct rnn_net *net, const char *text)
{
    ptrdiff_t layer = 0;

    if (strncmp(text, "_l", 2) != 0)
        return -1;
    text += 2;
    if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        return -1;
    for (; *text >= '0' && *text <= '9'; text++) {
        layer = 10 * layer + (*text - '0');
        if (layer >= net->num_layers)
            return -1;
    }
    if (*text == '\0')
        return layer * net->num_directions;
    if (net->num_directions == 2 && strcmp(text, "_reverse") == 0)
        return layer * net->num_directions + 1;
    return -1;
}

static ptrdiff_t find_param(const struct weights *weights, const char *text)
{
    const struct rnn_net *net = &weights->net;
    const ptrdiff_t group = rnn_params_per_direction(net);
    const int kind = parse_kind(&text);
    ptrdiff_t place = 0;

    if (kind < 0)
        return -1;
    if (!weights->cell)
        place = parse_place(net, text);
    else if (*text != '\0')
        return -1;
    for (ptrdiff_t i = 0; place >= 0 && i < group; i++)
        if ((int)rnn_param_at(net, place * group + i).kind == kind)
            return place * group + i;
    return -1;
}

ptrdiff_t parameters_index(const struct weights *weights, PyObject *name)
{
    Py_ssize_t length;
    const char *text;
    ptrdiff_t index = -1;

    if (!PyUnicode_Check(name))
        return error_type("a parameter's name must be a str", name);
    text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text == NULL)
        return -1;
    if (strlen(text) == (size_t)length) /* no NUL inside */
        index = find_param(weights, text);
    if (index < 0)
        PyErr_SetObject(PyExc_KeyError, name);
    return index;
}

/* ValueError unless "value" has the dtype, the shape and the layout of the parameter. */
static int check_value(const struct weights *weights, const struct rnn_param *param, PyObject *name,
                       PyObject *value)
{
    PyArrayObject *array = (PyArrayObject *)value;
    bool good = PyArray_Check(value) &&
                PyArray_TYPE(array) == dtype_typenum(weights->net.kernels->dtype) &&
                PyArray_ISCARRAY_RO(array) && PyArray_NDIM(array) == param->ndim &&
                PyArray_DIM(array, 0) == param->rows &&
                (param->ndim == 1 || PyArray_DIM(array, 1) == param->cols);
    PyObject *shape;

    if (good)
        return 0;
    shape = param->ndim == 1
                ? Py_BuildValue("(n)", (Py_ssize_t)param->rows)
                : Py_BuildValue("(nn)", (Py_ssize_t)param->rows, (Py_ssize_t)param->cols);
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

int parameters_assign(struct weights *weights, PyObject *values)
{
    PyObject *items;
    int result;

    if (!PyDict_Check(values))
        return error_type("_assign() takes a dict of names and arrays", values);
    items = PyDict_Items(values); /* a list of our own, which no other code can change */
    if (items == NULL)
        return -1;
    result = assign_all(weights, items, false);
    if (result == 0) {
        result = assign_all(weights, items, true);
        weights_changed(weights);
    }
    Py_DECREF(items);
    return result;
}

void parameters_reset(struct module_state *module_state, struct weights *weights)
{
    lock_acquire(&module_state->rng_lock);
    rnn_reset_parameters(&weights->net, &module_state->rng, weights->params);
    lock_release(&module_state->rng_lock);
    weights_changed(weights);
}

struct weights *parameters_converted(const struct weights *weights, enum dtype dtype)
{
    struct rnn_net net = weights->net;
    const ptrdiff_t count = rnn_params_size(&net);
    struct weights *result;

    net.kernels = kernels_current(dtype);
    result = weights_new(&net, weights->cell);
    if (result == NULL)
        return NULL;
    const fpenv_t saved = fpenv_enter();
    if (dtype == weights->net.kernels->dtype)
        memcpy(result->params, weights->params, weights->nbytes);
    else if (dtype == DTYPE_FLOAT64)
        for (ptrdiff_t i = 0; i < count; i++)
            ((double *)result->params)[i] = (double)((const float *)weights->params)[i];
    else
        for (ptrdiff_t i = 0; i < count; i++)
            ((float *)result->params)[i] = (float)((const double *)weights->params)[i];
    fpenv_leave(saved);
    return result;
}
