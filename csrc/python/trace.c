#include "trace.h"

#include "arrays.h"
#include "errors.h"

#include <string.h>

/* Where the core takes the address of the array called "name"; NULL, without an exception, for names
 * that this kind has not. */
static void **find_place(struct rnn_trace *trace, const struct cell *kind, PyObject *name)
{
    const Py_UCS4 letter = PyUnicode_GetLength(name) == 1 ? PyUnicode_ReadChar(name, 0) : 0;

    if (letter == 'h')
        return &trace->h;
    if (letter == 'c' && cell_has_c(kind))
        return &trace->c;
    for (int gate = 0; kind->gates > 1 && gate < kind->gates; gate++)
        if (letter == (Py_UCS4)kind->gate_names[gate])
            return &trace->gates[gate];
    return NULL;
}

static PyArrayObject *new_trace(const struct request *request)
{
    const struct rnn_net *net = request->net;
    npy_intp dims[5] = {net->num_layers, net->num_directions, request->rows};
    int ndim = 3;

    if (request->batched)
        dims[ndim++] = request->call.batch;
    dims[ndim++] = net->hidden_size;
    return array_new(request->self->module_state, net->kernels->dtype, ndim, dims);
}

/* A tuple of fresh arrays in the order of the names. */
static PyObject *new_traces(struct request *request)
{
    struct extras *extras = request->extras;
    const Py_ssize_t count = PyTuple_Size(extras->names);
    PyObject *traces = PyTuple_New(count);

    for (Py_ssize_t i = 0; traces != NULL && i < count; i++) {
        PyObject *name = PyTuple_GetItem(extras->names, i);
        void **place = !PyUnicode_Check(name)
                           ? NULL
                           : find_place(&extras->within.trace, &cells[request->net->kind], name);
        PyArrayObject *array = place == NULL ? NULL : new_trace(request);
        if (place == NULL)
            PyErr_Format(PyExc_ValueError, "a trace of this layer has no %R", name);
        else if (array != NULL)
            *place = PyArray_DATA(array);
        if (array == NULL || PyTuple_SetItem(traces, i, (PyObject *)array) < 0)
            Py_CLEAR(traces);
    }
    return traces;
}

int trace_set_results(struct request *request)
{
    PyObject *plain = request->results, *results = NULL;
    PyObject *traces = new_traces(request);

    if (traces != NULL)
        results = PyTuple_Pack(3, PyTuple_GetItem(plain, 0), PyTuple_GetItem(plain, 1), traces);
    Py_XDECREF(traces);
    if (results == NULL)
        return -1;
    request->results = results;
    Py_DECREF(plain);
    return 0;
}
