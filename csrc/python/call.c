/* One call from its arguments to the core: what LSTM and LSTMCell have in common.
 *
 * A call on small sizes costs little more than a ufunc's, so this path makes no Python
 * object but the results.
 */
#include "pylstm.h"

/* ---- Arguments ---- */

/* Texts as Python has them for a function with these parameters. */
static int error_positional(const char *callee, Py_ssize_t count)
{
    PyErr_Format(
        PyExc_TypeError,
        "%s() takes from 2 to 3 positional arguments but %zd were given: input, and hx, the "
        "states as one pair (h_0, c_0)",
        callee, count + 1);
    return -1;
}

static int error_keyword(const char *callee, PyObject *key, bool known)
{
    if (known)
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%S'", callee, key);
    else
        PyErr_Format(PyExc_TypeError,
                     "%s() got an unexpected keyword argument '%S': the parameters are input and "
                     "hx, the states as a pair (h_0, c_0)",
                     callee, key);
    return -1;
}

/* True if "key" is the keyword "name". Keywords in source code are interned, as "name" is. */
static bool is_keyword(PyObject *key, PyObject *name)
{
    return key == name || PyUnicode_Compare(key, name) == 0;
}

/* Adds a keyword argument to the "positional" ones that have been read. */
static int read_keyword(const struct module_state *module_state, const char *callee, PyObject *key,
                        PyObject *value, Py_ssize_t positional, struct arguments *arguments)
{
    if (!PyUnicode_Check(key))
        return error_keyword(callee, key, false);
    if (is_keyword(key, module_state->hx_name)) {
        if (positional > 1)
            return error_keyword(callee, key, true);
        arguments->hx = value;
    } else if (is_keyword(key, module_state->input_name)) {
        if (positional > 0)
            return error_keyword(callee, key, true);
        arguments->input = value;
    } else
        return error_keyword(callee, key, false);
    return 0;
}

/* What there is to say of the arguments once all have been read. */
static int check_arguments(const char *callee, Py_ssize_t positional, struct arguments *arguments)
{
    if (positional > 2)
        return error_positional(callee, positional);
    if (arguments->input == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: 'input'",
                     callee);
        return -1;
    }
    if (arguments->hx == Py_None)
        arguments->hx = NULL;
    return 0;
}

/* Reads (input, hx=None) from "count" positional arguments, and those called "names" after them. */
static int read_vector(const struct module_state *module_state, const char *callee,
                       PyObject *const *args, Py_ssize_t count, PyObject *names,
                       struct arguments *arguments)
{
    const Py_ssize_t keywords = names == NULL ? 0 : PyTuple_Size(names);

    arguments->input = count > 0 ? args[0] : NULL;
    arguments->hx = count > 1 ? args[1] : NULL;
    for (Py_ssize_t i = 0; i < keywords; i++)
        if (read_keyword(module_state, callee, PyTuple_GetItem(names, i), args[count + i], count,
                         arguments) < 0)
            return -1;
    return check_arguments(callee, count, arguments);
}

/* The same from a tuple, and a dict or NULL. A walk over one or two items costs less than looking
 * the names up. */
static int read_tuple(const struct module_state *module_state, const char *callee, PyObject *args,
                      PyObject *kwargs, struct arguments *arguments)
{
    const Py_ssize_t count = PyTuple_Size(args);
    PyObject *key, *value;
    Py_ssize_t position = 0;

    arguments->input = count > 0 ? PyTuple_GetItem(args, 0) : NULL;
    arguments->hx = count > 1 ? PyTuple_GetItem(args, 1) : NULL;
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &key, &value))
        if (read_keyword(module_state, callee, key, value, count, arguments) < 0)
            return -1;
    return check_arguments(callee, count, arguments);
}

/* ---- States ---- */

static const char *const hx_names[2] = {"hx[0]", "hx[1]"};

/* Opens item "index" of a tuple or list. */
static int open_hx(struct request *request, PyObject *hx, Py_ssize_t index)
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
    request->hx_items[index] = array_open(item, hx_names[index]);
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
        return error_hx_type(hx);
    }
    rows = PyArray_NDIM(array) == 0 ? -1 : PyArray_DIM(array, 0);
    if (rows < 0)
        result = error_hx_type(hx);
    else if (rows < 2)
        result = error_hx_index(array);
    for (int i = 0; result == 0 && i < 2; i++) {
        PyObject *index = PyLong_FromLong(i);
        PyObject *item = index == NULL ? NULL : PyObject_GetItem((PyObject *)array, index);
        Py_XDECREF(index);
        if (item != NULL && PyArray_Check(item)) {
            request->hx_items[i] = (PyArrayObject *)item;
            continue;
        }
        /* A 1-D array has scalars for items: 0-D arrays here. */
        request->hx_items[i] = item == NULL ? NULL : array_open(item, hx_names[i]);
        Py_XDECREF(item);
        result = request->hx_items[i] == NULL ? -1 : 0;
    }
    request->given = rows;
    request->stacked = true;
    array_release(array);
    return result;
}

static int open_hx_pair(struct request *request, PyObject *hx)
{
    if (!PyTuple_Check(hx) && !PyList_Check(hx))
        return open_stacked(request, hx);
    request->given = PySequence_Size(hx);
    if (request->given < 0)
        return -1;
    for (int i = 0; i < 2 && i < request->given; i++)
        if (open_hx(request, hx, i) < 0)
            return -1;
    return 0;
}

/* ---- The request ---- */

int request_open(struct request *request, layer_object *self, const struct arguments *arguments)
{
    *request =
        (struct request){.self = self, .hx = arguments->hx, .batch_first = self->batch_first};
    request->snapshot = layer_snapshot(self);
    if (request->snapshot == NULL)
        return -1;
    request->x = array_open(arguments->input, "input");
    if (request->x == NULL)
        return -1;
    return arguments->hx == NULL ? 0 : open_hx_pair(request, arguments->hx);
}

void request_clear(struct request *request)
{
    if (request->late != NULL)
        request_end_late(request);
    snapshot_release(request->snapshot);
    array_release(request->x);
    array_release(request->hx_items[0]);
    array_release(request->hx_items[1]);
}

int request_check_real(struct request *request)
{
    const enum dtype dtype = request->snapshot->net.kernels->dtype;

    request->fits = array_fits(request->x, dtype);
    if (!request->fits && array_check_real(request->x, "input") < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        PyArrayObject *hx_item = request->hx_items[i];
        if (hx_item == NULL || array_fits(hx_item, dtype))
            continue;
        request->fits = false;
        if (array_check_real(hx_item, hx_names[i]) < 0)
            return -1;
    }
    return 0;
}

static int fit(struct request *request, PyArrayObject **array)
{
    const enum dtype dtype = request->snapshot->net.kernels->dtype;

    if (*array == NULL || array_fits(*array, dtype))
        return 0;
    return array_fit(request->self->module_state, array, dtype);
}

int request_detach(struct request *request)
{
    PyArrayObject **arrays[3] = {&request->x, &request->hx_items[0], &request->hx_items[1]};

    for (int i = 0; i < 3; i++) {
        PyArrayObject *array = *arrays[i];
        if (array == NULL)
            continue;
        *arrays[i] = (PyArrayObject *)PyArray_View(array, NULL, &PyArray_Type);
        array_release(array);
        if (*arrays[i] == NULL)
            return -1;
    }
    return 0;
}

static int fit_all(struct request *request)
{
    if (request->fits)
        return 0;
    /* A conversion may run Python code: what np.seterr or warnings say, the garbage collector. */
    if (request_detach(request) < 0 || fit(request, &request->x) < 0 ||
        fit(request, &request->hx_items[0]) < 0)
        return -1;
    return fit(request, &request->hx_items[1]);
}

/* ---- Into the core ---- */

/* The strides of a state's layers and rows; those of missing axes are 0. */
static void hx_strides(const struct request *request, int index, ptrdiff_t *layer, ptrdiff_t *row)
{
    PyArrayObject *hx_item = request->hx_items[index];
    const int ndim = PyArray_NDIM(hx_item);
    const int row_axis = request->batched ? ndim - 2 : -1;
    const int layer_axis = ndim - (request->batched ? 3 : 2);
    const enum dtype dtype = request->snapshot->net.kernels->dtype;

    *row = row_axis < 0 ? 0 : array_stride(hx_item, row_axis, dtype);
    *layer = layer_axis < 0 ? 0 : array_stride(hx_item, layer_axis, dtype);
}

int request_begin(struct request *request, struct rnn_call *call)
{
    if (fit_all(request) < 0)
        return -1;
    /* One by one, not as an initialiser: clearing the whole costs more than the fields. */
    call->steps = request->steps;
    call->batch = request->batch;
    call->batch_sizes = NULL;
    call->x = PyArray_DATA(request->x);
    call->x_step = call->x_row = 0;
    call->h0 = call->c0 = NULL;
    call->h0_layer = call->h0_row = call->c0_layer = call->c0_row = 0;
    call->finite_weights = request->snapshot->finite;
    call->dropout = 0.0;
    call->rng = NULL;
    call->stop = NULL;
    if (request->hx_items[0] == NULL)
        return 0;
    call->h0 = PyArray_DATA(request->hx_items[0]);
    call->c0 = PyArray_DATA(request->hx_items[1]);
    hx_strides(request, 0, &call->h0_layer, &call->h0_row);
    hx_strides(request, 1, &call->c0_layer, &call->c0_row);
    return 0;
}

/* ---- The ways in ---- */

PyObject *layer_forward(PyObject *object, const struct layer_call *call, PyObject *const *args,
                        Py_ssize_t count, PyObject *names)
{
    layer_object *self = (layer_object *)object;
    struct arguments arguments;

    if (read_vector(self->module_state, call->name, args, count, names, &arguments) < 0)
        return NULL;
    return call->run(self, arguments);
}

PyObject *layer_call_slot(PyObject *object, const struct layer_call *call, PyObject *args,
                          PyObject *kwargs)
{
    layer_object *self = (layer_object *)object;
    struct arguments arguments;
    PyObject *method, *result;

    if (self->direct) {
        if (read_tuple(self->module_state, call->name, args, kwargs, &arguments) < 0)
            return NULL;
        return call->run(self, arguments);
    }
    method = PyObject_GetAttr(object, self->module_state->call_impl_name);
    if (method == NULL)
        return NULL;
    result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
}

static ternaryfunc tp_call_of(PyObject *object)
{
#ifdef Py_LIMITED_API
    return FUNCTION_FROM_SLOT(ternaryfunc, PyType_GetSlot(Py_TYPE(object), Py_tp_call));
#else
    return Py_TYPE(object)->tp_call;
#endif
}

/* A call by way of the type's tp_call, with a tuple and a dict. */
static PyObject *call_slowly(PyObject *object, ternaryfunc slot, PyObject *const *args,
                             Py_ssize_t count, PyObject *names)
{
    PyObject *positional = PyTuple_New(count);
    PyObject *keywords = names == NULL ? NULL : PyDict_New();
    PyObject *result = NULL;
    int failed = positional == NULL || (names != NULL && keywords == NULL);

    for (Py_ssize_t i = 0; !failed && i < count; i++)
        failed = PyTuple_SetItem(positional, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; !failed && keywords != NULL && i < PyTuple_Size(names); i++)
        failed = PyDict_SetItem(keywords, PyTuple_GetItem(names, i), args[count + i]);
    if (!failed)
        result = slot(object, positional, keywords);
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

PyObject *layer_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names)
{
    const Py_ssize_t count = (Py_ssize_t)(flags & (SIZE_MAX >> 1)); /* the top bit is a hint */
    const ternaryfunc slot = tp_call_of(object);
    const struct layer_call *call = NULL;

    if (slot == cell_entry.slot)
        call = &cell_entry;
    else if (slot == rnn_entry.slot)
        call = &rnn_entry;
    if (call == NULL || !((layer_object *)object)->direct) /* a class has its own, or hooks */
        return call_slowly(object, slot, args, count, names);
    return layer_forward(object, call, args, count, names);
}
