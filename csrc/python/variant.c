#include "variant.h"

#include "errors.h"

#include <string.h>

static const char *const gate_activations[] = {
    [GATE_SIGMOID] = "sigmoid",
    [GATE_HARD_SIGMOID] = "hard_sigmoid",
    [GATE_HARD_SIGMOID3] = "hard_sigmoid3",
};
static const char *const activations[] = {
    [ACTIVATION_TANH] = "tanh",
    [ACTIVATION_RELU] = "relu",
    [ACTIVATION_SOFTSIGN] = "softsign",
    [ACTIVATION_LINEAR] = "linear",
};

/* The index of a name among "count" of them. ValueError for others; returns -1 then. */
static int find_name(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return error_raise(PyExc_ValueError, "there is no activation called '%s'", name);
}

int variant_read(enum cell_kind kind, const struct variant_arguments *arguments,
                 struct cell_variant *variant)
{
    const int gate_activation =
        find_name(gate_activations, GATE_ACTIVATIONS, arguments->gate_activation);
    const int activation =
        gate_activation < 0 ? -1 : find_name(activations, ACTIVATIONS, arguments->activation);

    if (activation < 0)
        return -1;
    *variant = (struct cell_variant){
        .gate_activation = (enum gate_activation)gate_activation,
        .activation = (enum activation)activation,
        .peepholes = arguments->peepholes,
        .reset_before = !arguments->reset_after,
        .cell_clip = arguments->cell_clip,
    };
    const bool of_lstm = variant->peepholes || variant->cell_clip > 0;
    if ((of_lstm && kind != CELL_LSTM) || (variant->reset_before && kind != CELL_GRU) ||
        (cell_is_variant(variant) && kind != CELL_LSTM && kind != CELL_GRU) ||
        !(variant->cell_clip >= 0))
        return error_raise(PyExc_ValueError, "_native_build() has no such variant of %s",
                           cells[kind].mode);
    return 0;
}
