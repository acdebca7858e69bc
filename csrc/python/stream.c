#include "stream.h"

#include "call.h"
#include "call_errors.h"
#include "errors.h"

#include <string.h>

int error_stream_busy(void)
{
    return error_raise(PyExc_RuntimeError,
                       "this stream is in use, by another thread or by the call that runs this "
                       "code: one thread at a time may use a stream; fork() makes another one");
}

/* ---- What cannot be streamed ---- */

int error_stream_narrower(void)
{
    return error_raise(PyExc_TypeError,
                       "the layer is float32 now, and the state of this stream float64, which "
                       "float32 would round: stream.state = stream.state rounds it, reset() drops "
                       "it");
}

COLD static int error_direction(const struct rnn_net *net)
{
    return error_raise(PyExc_ValueError,
                       "a stream needs a layer of one forward direction, and this %s has %s: it "
                       "reads a sequence from its end, which a stream has not; call the layer "
                       "with whole sequences or windows of them, or stream one that reads forward",
                       cells[net->kind].name, net->reverse ? "reverse=True" : "bidirectional=True");
}

COLD static int error_dropout(void)
{
    return error_raise(PyExc_ValueError,
                       "a stream has no dropout, and the layer is in training mode with a dropout "
                       "that is not 0: call eval() on it, or set its attribute dropout to 0");
}

COLD static int error_other_sizes(void)
{
    return error_raise(PyExc_RuntimeError,
                       "the layer was constructed anew with other sizes than the state of this "
                       "stream has: make another stream");
}

/* What a call of the layer would run besides the kernels. */
COLD static int error_not_direct(layer_object *layer)
{
    static const char *const tables[] = {"_forward_hooks", "_forward_pre_hooks"};
    PyObject *name = PyType_GetName(Py_TYPE((PyObject *)layer));
    int hooks = 0;

    for (int i = 0; name != NULL && hooks == 0 && i < 2; i++) {
        PyObject *table = PyObject_GetAttrString((PyObject *)layer, tables[i]);
        hooks = table == NULL ? -1 : PyObject_IsTrue(table);
        Py_XDECREF(table);
    }
    if (name != NULL && hooks >= 0)
        PyErr_Format(PyExc_ValueError,
                     "a stream computes with the parameters alone, and this %U has %s, which it "
                     "would leave out: %s",
                     name, hooks ? "forward hooks" : "a forward() or __call__() of its own",
                     hooks ? "remove them" : "stream a layer that has none");
    Py_XDECREF(name);
    return -1;
}

int stream_check_net(const struct rnn_net *net)
{
    if (net->is_linear)
        return error_not_recurrent();
    return net->num_directions != 1 || net->reverse ? error_direction(net) : 0;
}

static bool is_direct(layer_object *layer)
{
    return layer->direct && call_slot_of((PyObject *)layer) == rnn_call_slot;
}

int stream_check_same(const stream_object *self, const struct rnn_net *net)
{
    if (net->hidden_size != self->net.hidden_size || net->num_layers != self->net.num_layers ||
        net->proj_size != self->net.proj_size || rnn_has_c(net) != rnn_has_c(&self->net))
        return error_other_sizes();
    return 0;
}

int stream_check_layer(const stream_object *self, const struct rnn_net *net)
{
    layer_object *layer = self->layer;

    if (!is_direct(layer))
        return error_not_direct(layer);
    if (net->num_layers > 1 && layer->training && layer->dropout > 0)
        return error_dropout();
    return stream_check_same(self, net) < 0 ? -1 : stream_check_net(net);
}

/* ---- Numbers of rows ---- */

/* A float or a bool is shown as it is, others by their type: an array has many lines. */
COLD static int error_count(PyObject *object, const char *name)
{
    const bool is_short = PyFloat_CheckExact(object) || PyBool_Check(object);
    const bool is_input = PyArray_Check(object) && strcmp(name, "batch") == 0;
    PyObject *got = is_short ? PyObject_Repr(object) : PyType_GetName(Py_TYPE(object));

    if (got != NULL)
        error_raise(PyExc_TypeError, "%s must be an integer, a number of rows, got %U%s", name, got,
                    is_input ? ": stream() makes a stream, which is then called with the input"
                             : "");
    Py_XDECREF(got);
    return -1;
}

Py_ssize_t stream_read_count(PyObject *object, const char *name, Py_ssize_t least)
{
    PyObject *integer = PyBool_Check(object) ? NULL : PyNumber_Index(object);
    Py_ssize_t count;

    if (integer == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return error_count(object, name);
    }
    count = PyNumber_AsSsize_t(integer, NULL); /* what is larger than any memory is cut */
    if (count < least)
        error_raise(PyExc_ValueError, "%s must be at least %zd, a number of rows, got %S", name,
                    least, integer);
    Py_DECREF(integer);
    return count < least ? -1 : count;
}
