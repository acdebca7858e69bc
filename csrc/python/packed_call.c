#include "packed_call.h"

#include "arrays.h"
#include "packing.h"

#include "../core/cells.h"

#include <string.h>

enum { DATA, BATCH_SIZES, SORTED_INDICES, UNSORTED_INDICES, FIELDS };

PyObject *packed_set_type(PyObject *module, PyObject *type)
{
    struct module_state *module_state = PyModule_GetState(module);

    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "packed_type() needs a class of tuples");
        return NULL;
    }
    if (module_state->packed_type == NULL) /* once: calls read the field without a lock */
        module_state->packed_type = (PyTypeObject *)Py_NewRef(type);
    Py_RETURN_NONE;
}

/* 1 if the states are plain arrays, as many as the kind has; 0 or -1 as packed_open(). */
static int hx_is_plain(struct request *request)
{
    const struct cell *kind = layer_kind(request->self);
    PyObject *hx = request->hx;

    if (kind == NULL)
        return -1;
    if (!cell_has_c(kind))
        return PyArray_CheckExact(hx);
    return PyTuple_CheckExact(hx) && PyTuple_Size(hx) == 2 &&
           PyArray_CheckExact(PyTuple_GetItem(hx, 0)) && PyArray_CheckExact(PyTuple_GetItem(hx, 1));
}

int packed_open(struct request *request, PyArrayObject **inverse)
{
    PyObject *input = request->input, *fields[FIELDS];

    *inverse = NULL;
    if (Py_TYPE(input) != request->self->module_state->packed_type || PyTuple_Size(input) != FIELDS)
        return 0;
    for (int i = 0; i < FIELDS; i++)
        fields[i] = PyTuple_GetItem(input, i);
    if (!PyArray_CheckExact(fields[DATA]) || !PyArray_CheckExact(fields[BATCH_SIZES]) ||
        PyArray_TYPE((PyArrayObject *)fields[BATCH_SIZES]) != NPY_INT64)
        return 0;
    if (request->hx != NULL) {
        const int plain = fields[SORTED_INDICES] == Py_None ? hx_is_plain(request) : 0;
        if (plain <= 0)
            return plain;
    }
    if (fields[UNSORTED_INDICES] != Py_None) {
        *inverse =
            packing_inverse(fields[UNSORTED_INDICES], PyArray_SIZE((PyArrayObject *)fields[DATA]));
        if (*inverse == NULL)
            return PyErr_Occurred() ? -1 : 0;
    }
    request->packed = true;
    request->input = fields[DATA];
    request->given_sizes = fields[BATCH_SIZES];
    return 1;
}

/* The rows of a state [layers, batch, features] where the inverse says that they belong. */
static PyObject *in_order(PyObject *object, const int64_t *inverse)
{
    PyArrayObject *hx_item = (PyArrayObject *)object;
    PyObject *result = PyArray_NewLikeArray(hx_item, NPY_CORDER, NULL, 0);
    const npy_intp layers = PyArray_DIM(hx_item, 0), batch = PyArray_DIM(hx_item, 1);
    const npy_intp row = PyArray_DIM(hx_item, 2) * PyArray_ITEMSIZE(hx_item);

    for (npy_intp i = 0; result != NULL && i < layers * batch; i++)
        memcpy(PyArray_BYTES((PyArrayObject *)result) + (i - i % batch + inverse[i % batch]) * row,
               PyArray_BYTES(hx_item) + i * row, (size_t)row);
    return result;
}

/* One hx_item, or a pair. */
static PyObject *hx_in_order(PyObject *hx, const int64_t *inverse)
{
    PyObject *h, *c, *pair = NULL;

    if (!PyTuple_Check(hx))
        return in_order(hx, inverse);
    h = in_order(PyTuple_GetItem(hx, 0), inverse);
    c = in_order(PyTuple_GetItem(hx, 1), inverse);
    if (h != NULL && c != NULL)
        pair = PyTuple_Pack(2, h, c);
    Py_XDECREF(h);
    Py_XDECREF(c);
    return pair;
}

/* A tuple of the same class with other data. */
static PyObject *with_data(PyObject *fields, PyObject *data)
{
    const newfunc make = FUNCTION_FROM_SLOT(newfunc, PyType_GetSlot(&PyTuple_Type, Py_tp_new));
    PyObject *items = PyTuple_Pack(FIELDS, data, PyTuple_GetItem(fields, BATCH_SIZES),
                                   PyTuple_GetItem(fields, SORTED_INDICES),
                                   PyTuple_GetItem(fields, UNSORTED_INDICES));
    PyObject *args = items == NULL ? NULL : PyTuple_Pack(1, items);
    PyObject *result = args == NULL ? NULL : make(Py_TYPE(fields), args, NULL);

    Py_XDECREF(items);
    Py_XDECREF(args);
    return result;
}

PyObject *packed_close(struct request *request, PyObject *fields, PyObject *results,
                       PyArrayObject *inverse)
{
    PyObject *output = NULL, *hx = NULL, *result = NULL;

    /* Another thread may have changed batch_sizes since packed_open(). */
    if (results != NULL && (inverse == NULL || PyArray_DIM(inverse, 0) == request->call.batch)) {
        hx = PyTuple_GetItem(results, 1);
        hx = inverse == NULL ? Py_NewRef(hx) : hx_in_order(hx, PyArray_DATA(inverse));
        output = hx == NULL ? NULL : with_data(fields, PyTuple_GetItem(results, 0));
        result = output == NULL ? NULL : PyTuple_Pack(2, output, hx);
    }
    Py_XDECREF(results);
    Py_XDECREF(output);
    Py_XDECREF(hx);
    array_release(inverse);
    return result;
}
