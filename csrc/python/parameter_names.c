#include "parameter_names.h"

#include "errors.h"

#include "../core/params.h"

#include <string.h>

static const char *const kind_names[] = {
    [WEIGHT_IH] = "weight_ih", [WEIGHT_HH] = "weight_hh", [BIAS_IH] = "bias_ih",
    [BIAS_HH] = "bias_hh",     [WEIGHT_HR] = "weight_hr", [WEIGHT_PI] = "weight_pi",
    [WEIGHT_PF] = "weight_pf", [WEIGHT_PO] = "weight_po",
};

PyObject *parameters_name(const struct weights *weights, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(&weights->net, index);

    if (weights->net.is_linear)
        return PyUnicode_FromString(param.kind == WEIGHT_IH ? "weight" : "bias");
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
        PyObject *name = parameters_name(weights, index);
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
    ptrdiff_t place = 0;

    if (net->is_linear)
        return strcmp(text, "weight") == 0 ? 0 : net->bias && strcmp(text, "bias") == 0 ? 1 : -1;
    const int kind = parse_kind(&text);
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
