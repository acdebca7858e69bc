#include "out.h"

#include "arrays.h"
#include "memory.h"
#include "out_errors.h"
#include "overlap.h"

#include <string.h>

/* ---- Structure ---- */

/* The items of a tuple or list of two, new references, or NULL where there are none. */
static int read_pair(const struct request *request, const char *name, PyObject *object,
                     PyObject **first, PyObject **second)
{
    PyObject *third = arrays_item(object, 2);

    *first = arrays_item(object, 0);
    *second = arrays_item(object, 1);
    Py_XDECREF(third);
    return third != NULL || *second == NULL ? error_out_structure(request, name, object) : 0;
}

/* Takes over the reference to "object", whatever the result. */
static int set_place(const struct request *request, int index, PyObject *object)
{
    struct out *out = request->extras->opened_out;
    int masked;

    if (!PyArray_Check(object)) {
        error_out_type(request, index, object);
        Py_DECREF(object);
        return -1;
    }
    out->places[index].array = (PyArrayObject *)object;
    if (PyArray_CheckExact(object))
        return 0;
    out->exact = false;
    masked = array_is_masked(object);
    return masked > 0 ? error_out_masked(request, index) : masked;
}

/* Like set_place(), for two, either of which may be NULL after an "error". */
static int set_places(const struct request *request, int error, int first, PyObject *const *objects)
{
    for (int i = 0; i < 2; i++) {
        if (error == 0)
            error = set_place(request, first + i, objects[i]);
        else
            Py_XDECREF(objects[i]);
    }
    return error;
}

static int read_states(const struct request *request, PyObject *hx_n)
{
    const char *name = request->callee->is_cell ? "out" : "out[1]";
    PyObject *items[2];

    if (!request->pair)
        return set_place(request, RESULT_H_N, Py_NewRef(hx_n));
    return set_places(request, read_pair(request, name, hx_n, &items[0], &items[1]), RESULT_H_N,
                      items);
}

int out_open(struct request *request)
{
    PyObject *given = request->extras->out, *output, *hx_n;
    int result;

    if (given == NULL)
        return 0;
    if (request->callee->is_cell)
        return read_states(request, given);
    result = read_pair(request, "out", given, &output, &hx_n);
    if (result == 0)
        result = read_states(request, hx_n);
    if (result == 0)
        result = set_place(request, RESULT_OUTPUT, Py_NewRef(output));
    Py_XDECREF(output);
    Py_XDECREF(hx_n);
    return result;
}

/* ---- Each array ---- */

/* Bytes of an array of that shape, or -1 for an array of another. */
static ptrdiff_t nbytes_of(PyArrayObject *array, int ndim, const npy_intp *dims)
{
    ptrdiff_t nbytes = PyArray_ITEMSIZE(array);

    if (PyArray_NDIM(array) != ndim)
        return -1;
    for (int axis = 0; axis < ndim; axis++) {
        if (PyArray_DIM(array, axis) != dims[axis])
            return -1;
        nbytes *= dims[axis];
    }
    return nbytes;
}

/* True if the core can write to the array, of `nbytes` bytes: an empty one as it is. */
static bool is_regular(PyArrayObject *array, enum dtype dtype, ptrdiff_t nbytes)
{
    if (nbytes == 0)
        return PyArray_TYPE(array) == dtype_typenum(dtype) && !PyArray_ISBYTESWAPPED(array);
    return array_fits(array, dtype) &&
           (PyArray_IS_C_CONTIGUOUS(array) || !array_overlaps_itself(array));
}

static int check_place(const struct request *request, struct place *place, int index)
{
    npy_intp dims[3];
    const int ndim = request_result_dims(request, index, dims);
    PyArrayObject *array = place->array;

    place->nbytes = nbytes_of(array, ndim, dims);
    if (place->nbytes < 0 || !PyArray_ISWRITEABLE(array) ||
        !is_regular(array, request->net->kernels->dtype, place->nbytes))
        return error_out_array(request, array, index, ndim, dims);
    place->data = PyArray_DATA(array);
    place->contiguous = PyArray_IS_C_CONTIGUOUS(array);
    place->row = request->batched ? PyArray_STRIDE(array, ndim - 2) : 0;
    place->layer = request->callee->is_cell ? 0 : PyArray_STRIDE(array, 0);
    return 0;
}

/* ---- Arrays beside each other ---- */

/* True if the state is the very array that hx has. The shapes agree. */
static bool is_in_place(PyArrayObject *hx_item, const struct place *place)
{
    if (PyArray_DATA(hx_item) != place->data ||
        PyArray_TYPE(hx_item) != PyArray_TYPE(place->array) || PyArray_ISBYTESWAPPED(hx_item))
        return false;
    for (int axis = 0; axis < PyArray_NDIM(hx_item); axis++)
        if (PyArray_DIM(hx_item, axis) > 1 &&
            PyArray_STRIDE(hx_item, axis) != PyArray_STRIDE(place->array, axis))
            return false;
    return true;
}

/* What else a call has in memory. */
struct other {
    struct region region;
    const char *name;
};
enum { MOST_OTHERS = 6 };

static int add_array(struct other *others, int count, PyArrayObject *array, const char *name)
{
    if (array != NULL)
        others[count++] = (struct other){region_of(array), name};
    return count;
}

/* Adds the parameters, unless no array of "out" is a view, as an array on them is. Returns -1 on
 * failure. */
static int add_parameters(const struct request *request, struct other *others, int count)
{
    const struct out *out = request->extras->opened_out;
    bool views = false;

    for (int i = 0; i < RESULTS; i++)
        views |= out->places[i].array != NULL && PyArray_BASE(out->places[i].array) != NULL;
    if (!views)
        return count;
    others[count].name = "the parameters of the module";
    return region_of_parameters(request->self, &others[count].region) < 0 ? -1 : count + 1;
}

static inline struct region place_region(const struct place *place)
{
    const uintptr_t data = (uintptr_t)place->data;

    if (place->contiguous && place->nbytes > 0) /* most are */
        return (struct region){data, data + (uintptr_t)place->nbytes, place->array};
    return region_of(place->array);
}

static int check_overlaps(const struct request *request, struct out *out)
{
    const struct extras *extras = request->extras;
    struct other others[MOST_OTHERS];
    struct region own[RESULTS];
    int count = add_array(others, 0, request->x, "input");

    for (int i = 0; i < 2; i++) {
        struct place *place = &out->places[RESULT_H_N + i];
        place->in_place = place->array != NULL && request->hx_items[i] != NULL &&
                          is_in_place(request->hx_items[i], place);
        if (!place->in_place) /* else two arrays of out are compared */
            count = add_array(others, count, request->hx_items[i], request_hx_name(request, i));
    }
    count = add_array(others, count, extras->lengths_array, "lengths");
    count = add_array(others, count, extras->reset_array, "reset");
    count = add_parameters(request, others, count);
    if (count < 0)
        return -1;
    for (int i = 0; i < RESULTS; i++) {
        struct place *place = &out->places[i];
        own[i] = (struct region){0, 0, NULL};
        if (place->array == NULL)
            continue;
        own[i] = place_region(place);
        for (int j = 0; j < count; j++)
            if (regions_overlap(&own[i], &others[j].region))
                return error_out_overlap(request, i, others[j].name);
        for (int j = 0; j < i; j++)
            if (regions_overlap(&own[i], &own[j]))
                return error_out_overlap(request, i, out_name(request, j));
    }
    return 0;
}

/* ---- A call ---- */

static void set_call(struct request *request, const struct out *out)
{
    const struct place *output = &out->places[RESULT_OUTPUT];
    const enum dtype dtype = request->net->kernels->dtype;
    const int step_axis = request_has_batch_first(request) ? 1 : 0;
    struct rnn_call *call = &request->call;

    call->h_n = out->places[RESULT_H_N].data;
    call->c_n = out->places[RESULT_C_N].data;
    call->y = call->h_n; /* of a cell: one step's output is its h */
    call->y_step = call->y_row = request->net->hidden_size;
    if (output->array == NULL)
        return;
    call->y = output->data;
    call->y_step = call->y_row = 0; /* as in run.c where the axis has length 1 */
    if (request->rows > 1)
        call->y_step = array_stride(output->array, step_axis, dtype);
    if (call->batch > 1)
        call->y_row = array_stride(output->array, 1 - step_axis, dtype);
}

int out_check(struct request *request)
{
    struct out *out = request->extras->opened_out;

    for (int i = 0; i < RESULTS; i++)
        if (out->places[i].array != NULL && check_place(request, &out->places[i], i) < 0)
            return -1;
    if (check_overlaps(request, out) < 0)
        return -1;
    set_call(request, out);
    return 0;
}

void out_close(struct out *out)
{
    for (int i = 0; i < RESULTS; i++)
        array_release(out->places[i].array);
}

PyObject *out_results(const struct request *request)
{
    const struct out *out = request->extras->opened_out;
    PyObject *given = request->extras->out, *hx_n = given, *result;
    PyObject *output = (PyObject *)out->places[RESULT_OUTPUT].array;
    PyObject *h_n = (PyObject *)out->places[RESULT_H_N].array;
    PyObject *c_n = (PyObject *)out->places[RESULT_C_N].array;

    if (output != NULL)
        hx_n = PyTuple_CheckExact(given) ? PyTuple_GetItem(given, 1) : NULL;
    if (hx_n != NULL && (!request->pair || PyTuple_CheckExact(hx_n)))
        return Py_NewRef(given);
    hx_n = request->pair ? PyTuple_Pack(2, h_n, c_n) : Py_NewRef(h_n);
    if (hx_n == NULL || output == NULL)
        return hx_n;
    result = PyTuple_Pack(2, output, hx_n);
    Py_DECREF(hx_n);
    return result;
}

/* ---- Private memory ---- */

static bool is_private(const struct request *request, const struct place *place, int index,
                       bool shared)
{
    if (place->array == NULL || index == RESULT_OUTPUT)
        return false;
    /* A helper that is late leaves rows that are computed again, from hx. A kernel reads all of h for
     * each unit of the next h, which a cell writes at once; c it reads where it writes. */
    return !place->contiguous ||
           (place->in_place && (shared || (request->callee->is_cell && index == RESULT_H_N)));
}

static ptrdiff_t padded_size(const struct place *place)
{
    return (place->nbytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
}

ptrdiff_t out_private_size(const struct request *request, bool shared)
{
    const struct out *out = request->extras->opened_out;
    ptrdiff_t size = 0;

    for (int i = 0; i < RESULTS; i++)
        if (is_private(request, &out->places[i], i, shared))
            size += padded_size(&out->places[i]);
    return size;
}

void out_set_private(struct request *request, bool shared, void *memory)
{
    struct out *out = request->extras->opened_out;
    struct rnn_call *call = &request->call;
    char *next = memory;

    for (int i = 0; i < RESULTS; i++) {
        struct place *place = &out->places[i];
        if (!is_private(request, place, i, shared))
            continue;
        place->copied = next;
        if (i == RESULT_C_N)
            call->c_n = next;
        else
            call->h_n = next;
        next += padded_size(place);
    }
    if (request->callee->is_cell)
        call->y = call->h_n;
}

void out_finish(const struct request *request)
{
    const struct out *out = request->extras->opened_out;
    const struct rnn_net *net = request->net;
    const ptrdiff_t rows = request->call.batch;
    const ptrdiff_t layers = request->callee->is_cell ? 1 : net->num_layers * net->num_directions;

    for (int i = RESULT_H_N; i < RESULTS; i++) {
        const struct place *place = &out->places[i];
        const char *from = place->copied;
        if (from == NULL || place->nbytes == 0)
            continue;
        if (place->contiguous) {
            memcpy(place->data, from, (size_t)place->nbytes);
            continue;
        }
        const ptrdiff_t width = place->nbytes / (layers * rows);
        for (ptrdiff_t layer = 0; layer < layers; layer++)
            for (ptrdiff_t row = 0; row < rows; row++, from += width)
                memcpy(place->data + layer * place->layer + row * place->row, from, (size_t)width);
    }
}
