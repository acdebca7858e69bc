/* _core.Conv1d: what torch.nn.Conv1d computes. Its arguments are checked in Python.
 *
 *     class Conv1d(Layer):
 *         def _native_build(self, in_channels: int, out_channels: int, kernel_size: int, *,
 *                    bias: bool = True, dtype: str = "float32", weights: None = None) -> None: ...
 *         def _native_convolve(self, x, frames: int, stride: int, padding: int, dilation: int,
 *                    groups: int, time_major: bool, /): ...
 *         def _native_padded(self, input, stride: int, padding: int, dilation: int, groups: int, /): ...
 */
#include "conv_type.h"

#include "arrays.h"
#include "errors.h"
#include "form.h"
#include "interrupt.h"
#include "layer.h"
#include "memory.h"

#include "../core/conv.h"

PyDoc_STRVAR(build_doc,
             "_native_build($self, in_channels, out_channels, kernel_size, *, bias=True,\n"
             "       dtype='float32', weights=None)\n--\n\n"
             "Allocate the parameters, all zero. in_channels are those of one group.");

static PyObject *conv_build(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"in_channels", "out_channels", "kernel_size", "bias",
                                        "dtype",       "weights",      NULL};
    Py_ssize_t in_channels, out_channels, kernel_size;
    const char *dtype = "float32", *weights = NULL;
    const struct rnn_kernels *kernels;
    int bias = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nnn|$psz:_native_build", KEYWORDS(names),
                                     &in_channels, &out_channels, &kernel_size, &bias, &dtype,
                                     &weights))
        return error_overflow();
    kernels = form_kernels(dtype, NULL);
    if (kernels == NULL)
        return NULL;
    if (in_channels < 0 || out_channels < 0 || kernel_size <= 0 || weights != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "_native_build() takes channels that are not negative, a kernel_size that "
                        "is positive, and no storage of weights");
        return NULL;
    }
    if (in_channels > PY_SSIZE_T_MAX / kernel_size)
        return PyErr_NoMemory();
    const struct rnn_net net = {
        .kernels = kernels,
        .kind = CELL_RNN_TANH,
        .input_size = in_channels * kernel_size,
        .hidden_size = out_channels,
        .num_layers = 1,
        .num_directions = 1,
        .bias = bias,
        .is_linear = true,
        .kernel = kernel_size,
    };
    return layer_build(self, &net, true);
}

/* True if the call fits x and the net, and its places can be counted. Beyond x there are zeros. */
static bool is_valid(const struct rnn_net *net, ptrdiff_t given, const struct conv_call *call)
{
    const double channels = (double)(net->input_size / net->kernel) * (double)call->groups;
    const double last = ((double)call->frames - 1) * (double)call->stride +
                        ((double)net->kernel - 1) * (double)call->dilation;

    return call->frames >= 0 && call->stride > 0 && call->padding >= 0 && call->dilation > 0 &&
           call->groups > 0 && net->hidden_size % call->groups == 0 && (double)given == channels &&
           last < (double)PTRDIFF_MAX / 4 &&
           (double)call->length + 2 * (double)call->padding < (double)PTRDIFF_MAX / 4;
}

static bool can_be_read(PyArrayObject *x, enum dtype dtype)
{
    return PyArray_NDIM(x) == 3 &&
           (array_fits(x, dtype) ||
            (PyArray_SIZE(x) == 0 && PyArray_TYPE(x) == dtype_typenum(dtype)));
}

static int run(const struct snapshot *snapshot, struct conv_call *call)
{
    const struct rnn_net *net = &snapshot->net;
    const double rows = (double)call->batch * (double)call->frames;
    const double work = snapshot->row_work * rows;
    void *memory;
    int result = 0;

    if (rows == 0 || net->hidden_size == 0)
        return 0;
    memory = memory_new_workspace(conv_workspace(net, call));
    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    call->workspace = memory_align(memory, MEMORY_ALIGNMENT);
    if (work >= UNLOCKED_WORK) {
        struct rnn_call watched = {.steps = (ptrdiff_t)(rows / 64) + 1};
        struct interrupt interrupt;
        gil_release(&interrupt, &watched, work);
        call->stop = watched.stop;
        conv_forward(net, snapshot->packed, call);
        result = gil_acquire(&interrupt);
    } else {
        conv_forward(net, snapshot->packed, call);
    }
    memory_free(memory);
    return result;
}

/* The stride of an axis in elements; of one index alone any number may stand there. */
static ptrdiff_t stride_of(PyArrayObject *x, int axis, enum dtype dtype)
{
    return PyArray_DIM(x, axis) > 1 && PyArray_SIZE(x) > 0 ? array_stride(x, axis, dtype) : 0;
}

/* Convolves x of the right dtype, of which code of Python's has no other reference to reshape it by. */
static PyArrayObject *convolve(layer_object *self, const struct snapshot *snapshot,
                               PyArrayObject *x, struct conv_call *call)
{
    const struct rnn_net *net = &snapshot->net;
    const enum dtype dtype = net->kernels->dtype;
    const int item = call->time_major ? 1 : 0, channel = item + 1, time = call->time_major ? 0 : 2;
    npy_intp dims[3];
    PyArrayObject *y;

    call->batch = dims[item] = PyArray_DIM(x, item);
    call->length = PyArray_DIM(x, time);
    dims[channel] = net->hidden_size;
    dims[time] = call->frames;
    if (net->kernel == 0 || !is_valid(net, PyArray_DIM(x, channel), call)) {
        PyErr_SetString(PyExc_ValueError,
                        "_native_convolve() takes a call that fits x and the parameters");
        return NULL;
    }
    /* Steps that are never taken are multiplied by strides all the same. */
    if (net->kernel == 1)
        call->dilation = 1;
    if (call->frames == 1)
        call->stride = 1;
    call->x = PyArray_DATA(x);
    call->x_batch = stride_of(x, item, dtype);
    call->x_channel = stride_of(x, channel, dtype);
    call->x_time = stride_of(x, time, dtype);
    y = array_new(self->module_state, dtype, 3, dims);
    if (y == NULL)
        return NULL;
    call->y = PyArray_DATA(y);
    if (run(snapshot, call) < 0) {
        array_release(y);
        return NULL;
    }
    return y;
}

PyDoc_STRVAR(
    convolve_doc,
    "_native_convolve($self, x, frames, stride, padding, dilation, groups, time_major, /)\n"
    "--\n\n"
    "Convolve x, (N, C, L) of the module's dtype, with zeros around it: (N, O, frames).\n"
    "With time_major of (L, N, C): (frames, N, O).");

static PyObject *conv_convolve(PyObject *self, PyObject *args)
{
    layer_object *layer = (layer_object *)self;
    struct conv_call call = {0};
    struct snapshot *snapshot;
    PyArrayObject *y = NULL;
    PyObject *x;
    int time_major;

    if (!PyArg_ParseTuple(args, "Onnnnnp:_native_convolve", &x, &call.frames, &call.stride,
                          &call.padding, &call.dilation, &call.groups, &time_major))
        return error_overflow();
    call.time_major = time_major;
    snapshot = layer_snapshot(layer);
    if (snapshot == NULL)
        return NULL;
    PyArrayObject *own = array_open(x, "input");
    if (own != NULL && !can_be_read(own, snapshot->net.kernels->dtype))
        PyErr_SetString(PyExc_ValueError,
                        "_native_convolve() takes an array of three axes and the module's dtype");
    else if (own != NULL && array_detach(&own) == 0)
        y = convolve(layer, snapshot, own, &call);
    snapshot_release(snapshot);
    array_release(own);
    return (PyObject *)y;
}

/* Sets the frames of a call of x between zeros. Returns false if x is not as Python's checks want it. */
static bool set_frames(const struct rnn_net *net, PyArrayObject *x, struct conv_call *call)
{
    const double span = (double)call->dilation * ((double)net->kernel - 1) + 1;
    ptrdiff_t length;

    if (PyArray_NDIM(x) != 3 || !array_fits(x, net->kernels->dtype) || net->kernel == 0 ||
        call->stride <= 0 || call->dilation <= 0 || call->padding < 0 ||
        call->padding > PTRDIFF_MAX / 8 || PyArray_DIM(x, 2) > PTRDIFF_MAX / 8)
        return false;
    length = PyArray_DIM(x, 2) + 2 * call->padding;
    if (PyArray_DIM(x, 2) == 0 || span > (double)length || net->hidden_size < call->groups)
        return false;
    /* Doubles round beyond 2^53. */
    if (call->dilation * (net->kernel - 1) >= length)
        return false;
    call->frames = (length - call->dilation * (net->kernel - 1) - 1) / call->stride + 1;
    return is_valid(net, PyArray_DIM(x, 1),
                    &(struct conv_call){.frames = call->frames,
                                        .length = PyArray_DIM(x, 2),
                                        .stride = call->stride,
                                        .padding = call->padding,
                                        .dilation = call->dilation,
                                        .groups = call->groups});
}

PyDoc_STRVAR(padded_doc,
             "_native_padded($self, input, stride, padding, dilation, groups, /)\n--\n\n"
             "Convolve a plain array, (N, C, L) of the module's dtype, with zeros around it. None\n"
             "of everything else, which is for the checks in Python.");

static PyObject *conv_padded(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    layer_object *layer = (layer_object *)self;
    ptrdiff_t numbers[4];
    struct snapshot *snapshot;
    PyArrayObject *x, *y = NULL;
    bool fits;

    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "_native_padded() takes 5 arguments");
        return NULL;
    }
    for (int i = 0; i < 4; i++) {
        numbers[i] = PyLong_AsSsize_t(args[1 + i]);
        if (numbers[i] == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError))
                return NULL;
            PyErr_Clear();
            Py_RETURN_NONE;
        }
    }
    if (!PyArray_CheckExact(args[0]))
        Py_RETURN_NONE;
    struct conv_call call = {
        .stride = numbers[0], .padding = numbers[1], .dilation = numbers[2], .groups = numbers[3]};
    snapshot = layer_snapshot(layer);
    if (snapshot == NULL)
        return NULL;
    x = array_open(args[0], "input");
    fits = x != NULL && set_frames(&snapshot->net, x, &call);
    if (fits && array_detach(&x) == 0)
        y = convolve(layer, snapshot, x, &call);
    snapshot_release(snapshot);
    array_release(x);
    if (x != NULL && !fits)
        Py_RETURN_NONE;
    return (PyObject *)y;
}

static PyMethodDef conv_methods[] = {
    {"_native_build", (PyCFunction)(void (*)(void))conv_build, METH_VARARGS | METH_KEYWORDS,
     build_doc},
    {"_native_convolve", conv_convolve, METH_VARARGS, convolve_doc},
    {"_native_padded", (PyCFunction)(void (*)(void))conv_padded, METH_FASTCALL, padded_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(conv_doc, "The C half of pylstm.Conv1d.");

static PyType_Slot conv_slots[] = {
    {Py_tp_doc, (void *)conv_doc},
    {Py_tp_methods, conv_methods},
    {0, NULL},
};

PyType_Spec conv_type_spec = {
    .name = "pylstm._core.Conv1d",
    .basicsize = sizeof(layer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = conv_slots,
};
