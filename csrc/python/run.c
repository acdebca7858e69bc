#include "run.h"

#include "arguments.h"
#include "arrays.h"
#include "interrupt.h"
#include "memory.h"
#include "num_threads.h"
#include "out.h"
#include "shared_call.h"
#include "within.h"

#include <stdalign.h>

/* Scratch memory up to this many bytes needs no allocation: it stands on the stack. */
#define STACK_WORKSPACE 16384

/* ---- Inputs ---- */

/* The strides of axes of length 1, which NumPy leaves undefined, are 0 in the call: a kernel adds a
 * stride to its pointers after the last row too. */

static void set_x(struct request *request)
{
    const enum dtype dtype = request->net->kernels->dtype;
    struct rnn_call *call = &request->call;
    const int step_axis = request_has_batch_first(request) ? 1 : 0;

    call->x = PyArray_DATA(request->x);
    call->x_step = call->x_row = 0;
    if (request->callee->is_cell) {
        if (call->batch > 1)
            call->x_row = array_stride(request->x, 0, dtype);
        return;
    }
    if (request->rows > 1)
        call->x_step = array_stride(request->x, step_axis, dtype);
    if (request->packed)
        call->x_row = call->x_step; /* row after row */
    else if (call->batch > 1)
        call->x_row = array_stride(request->x, 1 - step_axis, dtype);
}

/* The strides of a state's layers and rows; those of missing axes are 0. That of one layer is only
 * multiplied by 0. */
static void hx_strides(const struct request *request, int index, ptrdiff_t *layer, ptrdiff_t *row)
{
    PyArrayObject *hx_item = request->hx_items[index];
    const int ndim = PyArray_NDIM(hx_item);
    const int row_axis = request->call.batch > 1 ? ndim - 2 : -1;
    const int layer_axis = ndim - (request->batched ? 3 : 2);
    const enum dtype dtype = request->net->kernels->dtype;

    *row = row_axis < 0 ? 0 : array_stride(hx_item, row_axis, dtype);
    *layer = layer_axis < 0 ? 0 : array_stride(hx_item, layer_axis, dtype);
}

/* Converts what does not fit, and fills the request's call with all but where the results are. */
HOT static int set_inputs(struct request *request)
{
    struct rnn_call *call = &request->call;

    if (!request->fits && arguments_fit(request) < 0)
        return -1;
    set_x(request);
    /* One by one, not as an initialiser: clearing the whole costs more than the fields. */
    call->batch_sizes = request->packed ? PyArray_DATA(request->batch_sizes) : NULL;
    call->h0 = call->c0 = NULL;
    call->h0_layer = call->h0_row = call->c0_layer = call->c0_row = 0;
    call->finite_weights = request->snapshot->finite;
    call->dropout = 0.0;
    if (request->self->training && request->net->num_layers > 1)
        call->dropout = request->self->dropout;
    call->rng = NULL;
    call->stop = NULL;
    if (request->hx == NULL)
        return 0;
    call->h0 = PyArray_DATA(request->hx_items[0]);
    hx_strides(request, 0, &call->h0_layer, &call->h0_row);
    if (!request->pair)
        return 0;
    call->c0 = PyArray_DATA(request->hx_items[1]);
    hx_strides(request, 1, &call->c0_layer, &call->c0_row);
    return 0;
}

/* ---- Results ---- */

HOT static PyArrayObject *new_result(const struct request *request, int index)
{
    npy_intp dims[3];
    const int ndim = request_result_dims(request, index, dims);

    return array_new(request->self->module_state, request->net->kernels->dtype, ndim, dims);
}

/* What the call returns. Steals the arrays, each of which may be NULL; c_n is NULL also where there
 * is no c. */
static PyObject *pack_results(const struct request *request, PyArrayObject *output,
                              PyArrayObject *h_n, PyArrayObject *c_n)
{
    PyObject *hx_n = NULL, *result = NULL;

    if (output != NULL && h_n != NULL && (c_n != NULL || !request->pair)) {
        hx_n = request->pair ? PyTuple_Pack(2, h_n, c_n) : Py_NewRef((PyObject *)h_n);
        if (hx_n != NULL)
            result = request->callee->is_cell ? Py_NewRef(hx_n) : PyTuple_Pack(2, output, hx_n);
    }
    Py_XDECREF(hx_n);
    if (output != h_n)
        array_release(output);
    array_release(h_n);
    array_release(c_n);
    return result;
}

/* Makes fresh results, a new reference also in request->results, and points the request's call at
 * them. That they could be made bounds every count of elements. */
static PyObject *set_results(struct request *request)
{
    const struct rnn_net *net = request->net;
    const ptrdiff_t width = net->num_directions * rnn_hidden_out(net);
    const bool batch_first = request_has_batch_first(request);
    struct rnn_call *call = &request->call;
    PyArrayObject *h_n = new_result(request, RESULT_H_N);
    PyArrayObject *c_n = request->pair ? new_result(request, RESULT_C_N) : NULL;
    /* One step's output is its h. */
    PyArrayObject *output = request->callee->is_cell ? h_n : new_result(request, RESULT_OUTPUT);

    request->results = pack_results(request, output, h_n, c_n);
    if (request->results == NULL)
        return NULL;
    call->y = PyArray_DATA(output);
    call->y_step = batch_first ? width : call->batch * width;
    call->y_row = batch_first ? request->rows * width : width;
    call->h_n = PyArray_DATA(h_n);
    call->c_n = c_n == NULL ? NULL : PyArray_DATA(c_n);
    if (request->extras != NULL && within_set_results(request) < 0)
        Py_CLEAR(request->results);
    return request->results;
}

/* ---- The core ---- */

/* Dropout draws from the module's generator, which other threads must not enter meanwhile: but
 * between two steps they may, so that a long call does not keep them waiting. */
static int run_with_dropout(struct request *request, double work, void *workspace)
{
    struct module_state *module_state = request->self->module_state;
    struct rnn_call *call = &request->call;
    struct interrupt interrupt = {.raised = false};

    call->rng = &module_state->rng;
    if (work > INTERRUPTIBLE_WORK)
        interrupt_watch(&interrupt, call, work, &module_state->rng_lock);
    lock_acquire(&module_state->rng_lock);
    rnn_forward(request->net, request->snapshot->packed, call, workspace);
    lock_release(&module_state->rng_lock);
    return interrupt.raised ? -1 : 0;
}

static int run_in(struct request *request, double work, void *workspace)
{
    const struct rnn_net *net = request->net;
    struct interrupt interrupt;

    if (request->call.dropout != 0.0)
        return run_with_dropout(request, work, workspace);
    if (work < UNLOCKED_WORK) {
        rnn_forward(net, request->snapshot->packed, &request->call, workspace);
        return 0;
    }
    gil_release(&interrupt, &request->call, work);
    rnn_forward(net, request->snapshot->packed, &request->call, workspace);
    return gil_acquire(&interrupt);
}

/* Like run_in(), in memory that stays for the next call. */
static int run_in_kept(struct request *request, double work, ptrdiff_t size)
{
    void *workspace = layer_take_workspace(request->self, LAYER_SCRATCH, size);
    int result;

    if (workspace == NULL)
        return -1;
    result = run_in(request, work, workspace);
    layer_leave_workspace(request->self, LAYER_SCRATCH, workspace);
    return result;
}

static int run_alone(struct request *request, double work)
{
    alignas(MEMORY_ALIGNMENT) unsigned char workspace[STACK_WORKSPACE];
    const ptrdiff_t size = rnn_workspace_size(request->net, &request->call);
    void *memory;
    int result;

    if (size >= 0 && size <= STACK_WORKSPACE)
        return run_in(request, work, workspace);
    if (request_has_out(request))
        return run_in_kept(request, work, size);
    memory = memory_new_workspace(size);
    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    result = run_in(request, work, memory_align(memory, MEMORY_ALIGNMENT));
    memory_free(memory);
    return result;
}

/* Runs the core, in this thread or in several. */
HOT static int run(struct request *request)
{
    struct module_state *module_state = request->self->module_state;
    const struct rnn_net *net = request->net;
    const struct rnn_call *call = &request->call;
    const double work = rnn_work(request->snapshot->row_work, call);
    struct plan plan = {.threads = 1};
    int threads, result, helpers = 0;

    if (call->batch == 0 || net->hidden_size == 0)
        return 0; /* every result is empty */
    request->call.descending = snapshot_descends(request->snapshot, call->steps);
    if (work < UNLOCKED_WORK && rnn_forward_single(net, request->snapshot->packed, call))
        return 0;
    if (work < UNLOCKED_WORK || request->late != NULL)
        return run_alone(request, work);
    threads = num_threads_limit(module_state);
    if (threads < 0)
        return -1;
    if (threads > 1)
        plan = plan_make(net, call, threads, module_state->threads_set);
    if (plan.threads > 1)
        helpers = pool_enter(&module_state->pool, plan.threads - 1, plan.brief);
    if (helpers > 0) {
        plan_limit(&plan, helpers + 1);
        return shared_call_run(request, work, &plan, helpers);
    }
    result = run_alone(request, work);
    if (plan.threads > 1)
        pool_note_end(&module_state->pool);
    return result;
}

int run_filled(struct request *request)
{
    int status;

    while ((status = run(request)) == CALL_AGAIN)
        shared_call_end(request); /* the results are the same memory */
    return status;
}

/* Like run_filled(), in private memory of as many bytes as the states need. */
static int run_privately(struct request *request, bool shared, ptrdiff_t size)
{
    alignas(MEMORY_ALIGNMENT) unsigned char stack[STACK_WORKSPACE];
    void *memory = stack;
    int status;

    if (size > STACK_WORKSPACE) {
        memory = layer_take_workspace(request->self, LAYER_STATES, size);
        if (memory == NULL)
            return -1;
    }
    out_set_private(request, shared, memory);
    status = run_filled(request);
    if (status == 0)
        out_finish(request);
    if (memory != stack)
        layer_leave_workspace(request->self, LAYER_STATES, memory);
    return status;
}

/* Like run_request(), into arrays of the caller's. Helpers that are late may still write to them: a
 * second try waits for those. */
static PyObject *run_into(struct request *request)
{
    PyObject *results = NULL;
    int status = -1;

    request->results = NULL; /* of which a late helper would keep a reference */
    if (out_check(request) == 0 && set_inputs(request) == 0)
        results = out_results(request);
    if (results == NULL)
        return NULL;
    if (within_set_results(request) == 0) {
        const bool shared = rnn_work(request->snapshot->row_work, &request->call) >= UNLOCKED_WORK;
        const ptrdiff_t size = out_private_size(request, shared);
        status = size == 0 ? run_filled(request) : run_privately(request, shared, size);
    }
    if (status < 0)
        Py_CLEAR(results);
    return results;
}

HOT PyObject *run_request(struct request *request)
{
    PyObject *results;
    int status;

    if (request_has_out(request))
        return run_into(request);
    if (set_inputs(request) < 0)
        return NULL;
    do {
        results = set_results(request);
        status = results == NULL ? -1 : run(request);
    } while (status == CALL_AGAIN);
    if (request->late != NULL)
        shared_call_end(request);
    if (status < 0)
        Py_CLEAR(results);
    return results;
}
