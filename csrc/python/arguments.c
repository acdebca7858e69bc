#include "arguments.h"

#include "arrays.h"
#include "call_errors.h"
#include "hx_errors.h"

#include <string.h>

/* ---- Which objects ---- */

COLD static const char *hx_parameter(const struct cell *kind)
{
    return cell_has_c(kind) ? "the states as one pair (h_0, c_0)" : "the state h_0";
}

/* Texts as Python has them for a function with these parameters. */
COLD static int error_positional(const struct request *request, Py_ssize_t count)
{
    const struct cell *kind = layer_kind(request->self);

    if (kind == NULL)
        return -1;
    return error_raise(
        PyExc_TypeError,
        "%s%s.forward() takes from 2 to 3 positional arguments but %zd were given: input, and hx, "
        "%s",
        kind->name, request->callee->cell, count + 1, hx_parameter(kind));
}

COLD static int error_keyword(const struct request *request, PyObject *key, bool known)
{
    const struct cell *kind = layer_kind(request->self);

    if (kind == NULL)
        return -1;
    if (known)
        return error_raise(PyExc_TypeError, "%s%s.forward() got multiple values for argument '%S'",
                           kind->name, request->callee->cell, key);
    return error_raise(PyExc_TypeError,
                       "%s%s.forward() got an unexpected keyword argument '%S': the parameters "
                       "are input and hx, %s, and %s",
                       kind->name, request->callee->cell, key, hx_parameter(kind),
                       request->callee->is_cell ? "out" : "lengths, reset and out");
}

COLD static int error_no_input(const struct request *request)
{
    const struct cell *kind = layer_kind(request->self);

    if (kind == NULL)
        return -1;
    return error_raise(PyExc_TypeError,
                       "%s%s.forward() missing 1 required positional argument: 'input'", kind->name,
                       request->callee->cell);
}

/* Which of the first "count" names "key" is, or "count". */
static int keyword_index(const struct module_state *module_state, PyObject *key, int count)
{
    for (int i = 0; i <= NAME_RESET; i++)
        if (key == module_state->names[i])
            return i < count ? i : count;
    for (int i = 0; PyUnicode_Check(key) && i < count; i++)
        if (PyUnicode_Compare(key, module_state->names[i]) == 0)
            return i;
    return count;
}

void arguments_begin_extras(struct request *request, struct extras *extras)
{
    memset(extras, 0, offsetof(struct extras, few));
    request->extras = extras;
}

/* Like read_keyword(), for what is neither input nor hx. */
APART static int read_extra(struct request *request, PyObject *key, PyObject *value,
                            struct extras *extras)
{
    const int count = request->callee->is_cell ? NAME_OUT + 1 : NAME_RESET + 1;
    const int index = keyword_index(request->self->module_state, key, count);

    if (index == count)
        return error_keyword(request, key, false);
    if (request->extras == NULL)
        arguments_begin_extras(request, extras);
    if (value == Py_None)
        value = NULL;
    if (index == NAME_OUT)
        extras->out = value;
    else if (index == NAME_LENGTHS)
        extras->lengths = value;
    else
        extras->reset = value;
    return 0;
}

/* Adds a keyword argument to the "positional" ones that have been read. */
APART static int read_keyword(struct request *request, PyObject *key, PyObject *value,
                              Py_ssize_t positional, struct extras *extras)
{
    const int index = keyword_index(request->self->module_state, key, 2);

    if (index == 2)
        return read_extra(request, key, value, extras);
    if (index < positional)
        return error_keyword(request, key, true);
    if (index == 0)
        request->input = value;
    else
        request->hx = value;
    return 0;
}

/* What there is to say of the arguments once all have been read. */
static int check_read(struct request *request, Py_ssize_t positional)
{
    if (positional > 2)
        return error_positional(request, positional);
    if (request->input == NULL)
        return error_no_input(request);
    if (request->hx == Py_None)
        request->hx = NULL;
    return 0;
}

HOT int arguments_read(struct request *request, PyObject *const *args, Py_ssize_t count,
                       PyObject *names, struct extras *extras)
{
    const Py_ssize_t keywords = names == NULL ? 0 : PyTuple_Size(names);
    PyObject *const *own_names = request->self->module_state->names;

    request->input = count > 0 ? args[0] : NULL;
    request->hx = count > 1 ? args[1] : NULL;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *key = PyTuple_GetItem(names, i), *value = args[count + i];
        /* Keywords in source code are interned, as our names are. */
        if (key == own_names[NAME_INPUT] && count < 1)
            request->input = value;
        else if (key == own_names[NAME_HX] && count < 2)
            request->hx = value;
        else if (read_keyword(request, key, value, count, extras) < 0)
            return -1;
    }
    return check_read(request, count);
}

/* A walk over one or two items costs less than looking the names up. */
int arguments_read_tuple(struct request *request, PyObject *args, PyObject *kwargs,
                         struct extras *extras)
{
    const Py_ssize_t count = PyTuple_Size(args);
    PyObject *key, *value;
    Py_ssize_t position = 0;

    request->input = count > 0 ? PyTuple_GetItem(args, 0) : NULL;
    request->hx = count > 1 ? PyTuple_GetItem(args, 1) : NULL;
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &key, &value))
        if (read_keyword(request, key, value, count, extras) < 0)
            return -1;
    return check_read(request, count);
}

/* ---- States ---- */

/* Opens item "index" of a tuple or list. */
static int open_hx_item(struct request *request, PyObject *hx, int index)
{
    PyObject *item;
    bool nested;

    if (PyTuple_CheckExact(hx)) {
        item = PyTuple_GetItem(hx, index);
        Py_XINCREF(item);
    } else
        item = PySequence_GetItem(hx, index);
    if (item == NULL)
        return -1;
    if (item == Py_None) {
        Py_DECREF(item);
        return error_hx_is_none(index);
    }
    nested = !PyArray_CheckExact(item) && is_tuple_of_arrays(item);
    request->hx_items[index] = array_open(item, request_hx_name(request, index));
    Py_DECREF(item);
    if (request->hx_items[index] != NULL)
        return 0;
    return nested && PyErr_ExceptionMatches(PyExc_ValueError) ? error_hx_is_nested(request, index)
                                                              : -1;
}

/* hx is one array: its first two items along axis 0, as torch's indexing takes them. */
static int open_stacked(struct request *request, PyObject *hx)
{
    PyArrayObject *array = array_open(hx, "hx");
    npy_intp rows;
    int result = 0;

    if (array == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return error_hx_type(request, hx);
    }
    rows = PyArray_NDIM(array) == 0 ? -1 : PyArray_DIM(array, 0);
    if (rows < 0)
        result = error_hx_type(request, hx);
    else if (rows < 2)
        result = error_hx_index(array);
    for (int i = 0; result == 0 && i < 2; i++) {
        PyObject *index = PyLong_FromLong(i);
        PyObject *item = index == NULL ? NULL : PyObject_GetItem((PyObject *)array, index);
        Py_XDECREF(index);
        /* A 1-D array has scalars for items: 0-D arrays here. */
        if (item != NULL && PyArray_Check(item))
            request->hx_items[i] = (PyArrayObject *)Py_NewRef(item);
        else if (item != NULL)
            request->hx_items[i] = array_open(item, request_hx_name(request, i));
        Py_XDECREF(item);
        result = request->hx_items[i] == NULL ? -1 : 0;
    }
    request->given = rows;
    request->stacked = true;
    array_release(array);
    return result;
}

/* hx is the one state. */
static int open_one(struct request *request, PyObject *hx)
{
    if (!PyArray_CheckExact(hx)) {
        const int holds = arrays_are_in(hx);
        if (holds != 0)
            return holds < 0 ? -1 : error_hx_is_tuple(request, hx);
        if (PyArray_IsPythonNumber(hx))
            return error_hx_type(request, hx);
    }
    request->hx_items[0] = array_open(hx, "hx");
    return request->hx_items[0] == NULL ? -1 : 0;
}

/* Opens a tuple of two arrays, which most pairs are, without a detour. Returns false, and opens
 * nothing, where hx is something else. */
static bool open_plain_pair(struct request *request, PyObject *hx)
{
    PyObject *h, *c;

    if (!PyTuple_CheckExact(hx) || PyTuple_Size(hx) != 2)
        return false;
    h = PyTuple_GetItem(hx, 0);
    c = PyTuple_GetItem(hx, 1);
    if (!PyArray_CheckExact(h) || !PyArray_CheckExact(c))
        return false;
    request->hx_items[0] = (PyArrayObject *)Py_NewRef(h);
    request->hx_items[1] = (PyArrayObject *)Py_NewRef(c);
    request->given = 2;
    return true;
}

static int open_hx(struct request *request, PyObject *hx)
{
    if (!request->pair)
        return open_one(request, hx);
    if (open_plain_pair(request, hx))
        return 0;
    if (!PyTuple_Check(hx) && !PyList_Check(hx))
        return open_stacked(request, hx);
    request->given = PySequence_Size(hx);
    if (request->given < 0)
        return -1;
    for (int i = 0; i < 2 && i < request->given; i++)
        if (open_hx_item(request, hx, i) < 0)
            return -1;
    return 0;
}

/* ---- The arrays of a request ---- */

int arguments_detach(struct request *request)
{
    return array_detach(&request->x) < 0 || array_detach(&request->hx_items[0]) < 0
               ? -1
               : array_detach(&request->hx_items[1]);
}

HOT int arguments_open(struct request *request)
{
    request->batch_first = request->self->batch_first;
    request->snapshot = layer_snapshot(request->self);
    if (request->snapshot == NULL)
        return -1;
    request->net = &request->snapshot->net;
    if (request->net->is_linear)
        return error_not_recurrent();
    request->pair = rnn_has_c(request->net);
    request->x = array_open(request->input, "input");
    if (request->x == NULL || (request->hx != NULL && open_hx(request, request->hx) < 0))
        return -1;
    if (!request->packed)
        return 0;
    /* Before the checks: opening may run code that changes the other arrays. */
    request->batch_sizes = array_open(request->given_sizes, "batch_sizes");
    return request->batch_sizes == NULL ? -1 : arguments_detach(request);
}

HOT void arguments_close(struct request *request)
{
    snapshot_release(request->snapshot);
    array_release(request->x);
    array_release(request->hx_items[0]);
    array_release(request->hx_items[1]);
    array_release(request->batch_sizes);
}

static int fit(struct request *request, PyArrayObject **array)
{
    const enum dtype dtype = request->net->kernels->dtype;

    if (*array == NULL || array_fits(*array, dtype))
        return 0;
    return array_fit(request->self->module_state, array, dtype);
}

int arguments_fit(struct request *request)
{
    /* A conversion may run Python code: what np.seterr or warnings say, the garbage collector. */
    if (arguments_detach(request) < 0 || fit(request, &request->x) < 0 ||
        fit(request, &request->hx_items[0]) < 0)
        return -1;
    return fit(request, &request->hx_items[1]);
}
