#include "call.h"

#include "arguments.h"
#include "checks.h"
#include "out.h"
#include "packed_call.h"
#include "run.h"
#include "within.h"

/* ---- Any call ---- */

/* A request that is yet to be filled. One by one: clearing the whole costs more than what is read
 * before it is written. */
static void request_begin(struct request *request, PyObject *self, const struct callee *callee)
{
    request->self = (layer_object *)self;
    request->callee = callee;
    request->packed = false;
    request->input = request->hx = NULL;
    request->extras = NULL;
    request->snapshot = NULL;
    request->x = request->hx_items[0] = request->hx_items[1] = NULL;
    request->batch_sizes = NULL;
    request->call.within = NULL;
    request->given = 0;
    request->stacked = false;
    request->late = NULL;
}

/* Like request_run(), with extras. All objects are opened before the first check: opening may run
 * code that changes the other arrays. */
APART static PyObject *run_with_extras(struct request *request)
{
    struct extras *extras = request->extras;
    const bool within = extras->lengths != NULL || extras->reset != NULL || extras->names != NULL;
    PyObject *results = NULL;
    struct out out = {.exact = true};

    extras->opened_out = &out;
    if (arguments_open(request) == 0 && (!within || within_open(request) == 0) &&
        out_open(request) == 0 &&
        ((out.exact && within_is_exact(extras)) || arguments_detach(request) == 0) &&
        request_check(request) == 0 && (!within || within_check(request) == 0))
        results = run_request(request);
    arguments_close(request);
    if (within)
        within_close(extras);
    out_close(&out);
    return results;
}

/* From arguments that have been read to the results. */
static PyObject *request_run(struct request *request)
{
    PyObject *results = NULL;

    if (request->extras != NULL)
        return run_with_extras(request);
    if (arguments_open(request) == 0 && request_check(request) == 0)
        results = run_request(request);
    arguments_close(request);
    return results;
}

/* 1 if "object" is a PackedSequence, ours or torch's; 0 for others, -1 on error. */
static int is_packed(const struct module_state *module_state, PyObject *object)
{
    PyObject *value;

    if (!PyTuple_Check(object) || PyTuple_CheckExact(object))
        return 0;
    if (Py_TYPE(object) == module_state->packed_type)
        return 1;
    value = PyObject_GetAttr(object, module_state->names[NAME_BATCH_SIZES]);
    if (value == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(value);
    return 1;
}

/* Runs over a packed sequence. Unusual fields take the way by Python. */
static PyObject *request_run_packed(struct request *request)
{
    PyObject *fields = request->input, *result;
    PyArrayObject *inverse;
    const int opened = packed_open(request, &inverse);

    if (opened < 0)
        return NULL;
    if (opened > 0) {
        result = packed_close(request, fields, request_run(request), inverse);
        if (result != NULL || PyErr_Occurred())
            return result;
    }
    return PyObject_CallMethodObjArgs((PyObject *)request->self,
                                      request->self->module_state->names[NAME_FORWARD_PACKED],
                                      fields, request->hx == NULL ? Py_None : request->hx, NULL);
}

/* Like request_run(), for packed sequences as well. */
static PyObject *request_dispatch(struct request *request)
{
    int packed;

    if (request->callee->is_cell)
        return request_run(request);
    packed = is_packed(request->self->module_state, request->input);
    if (packed < 0)
        return NULL;
    if (!packed)
        return request_run(request);
    if (request->extras != NULL && within_refuse_packed(request->extras) < 0)
        return NULL;
    return request_run_packed(request);
}

/* ---- The ways in ---- */

HOT static PyObject *call_vector(PyObject *self, const struct callee *callee, PyObject *const *args,
                                 Py_ssize_t count, PyObject *names)
{
    struct request request;
    struct extras extras; /* written where there are any */

    request_begin(&request, self, callee);
    return arguments_read(&request, args, count, names, &extras) < 0 ? NULL
                                                                     : request_dispatch(&request);
}

static PyObject *call_tuple(PyObject *self, const struct callee *callee, PyObject *args,
                            PyObject *kwargs)
{
    struct request request;
    struct extras extras;
    PyObject *method, *result;

    request_begin(&request, self, callee);
    if (((layer_object *)self)->direct)
        return arguments_read_tuple(&request, args, kwargs, &extras) < 0
                   ? NULL
                   : request_dispatch(&request);
    method = PyObject_GetAttr(self, ((layer_object *)self)->module_state->names[NAME_CALL_IMPL]);
    if (method == NULL)
        return NULL;
    result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
}

static const struct callee rnn_callee = {rnn_call_slot, "", false};
static const struct callee cell_callee = {cell_call_slot, "Cell", true};

PyObject *rnn_call_slot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return call_tuple(self, &rnn_callee, args, kwargs);
}

PyObject *cell_call_slot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return call_tuple(self, &cell_callee, args, kwargs);
}

PyObject *rnn_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names)
{
    return call_vector(self, &rnn_callee, args, count, names);
}

PyObject *cell_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *names)
{
    return call_vector(self, &cell_callee, args, count, names);
}

PyObject *rnn_run_packed_method(PyObject *self, PyObject *args)
{
    struct request request;

    request_begin(&request, self, &rnn_callee);
    request.packed = true;
    if (!PyArg_ParseTuple(args, "OOO:_run_packed", &request.input, &request.given_sizes,
                          &request.hx))
        return NULL;
    if (request.hx == Py_None)
        request.hx = NULL;
    return request_run(&request);
}

PyObject *rnn_run_trace_method(PyObject *self, PyObject *args)
{
    struct request request;
    struct extras extras;

    request_begin(&request, self, &rnn_callee);
    arguments_begin_extras(&request, &extras);
    if (!PyArg_ParseTuple(args, "OOOOO!:_run_trace", &request.input, &request.hx, &extras.lengths,
                          &extras.reset, &PyTuple_Type, &extras.names))
        return NULL;
    if (request.hx == Py_None)
        request.hx = NULL;
    if (extras.lengths == Py_None)
        extras.lengths = NULL;
    if (extras.reset == Py_None)
        extras.reset = NULL;
    return request_dispatch(&request);
}

ternaryfunc call_slot_of(PyObject *object)
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

HOT PyObject *layer_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    const Py_ssize_t count = (Py_ssize_t)(flags & (SIZE_MAX >> 1)); /* the top bit is a hint */
    const ternaryfunc slot = call_slot_of(self);
    const struct callee *callee = NULL;

    if (slot == cell_callee.slot)
        callee = &cell_callee;
    else if (slot == rnn_callee.slot)
        callee = &rnn_callee;
    if (callee == NULL || !((layer_object *)self)->direct) /* a class has its own, or hooks */
        return call_slowly(self, slot, args, count, names);
    return call_vector(self, callee, args, count, names);
}
