/* Reading the options of _build() that torch has not: struct cell_variant. */
#ifndef PYLSTM_PYTHON_VARIANT_H
#define PYLSTM_PYTHON_VARIANT_H

#include "common.h"

#include "../core/cells.h"

/* The arguments as Python gives them; those that are left out are torch's. */
struct variant_arguments {
    int peepholes, reset_after; /* truth values */
    const char *gate_activation, *activation;
    double cell_clip; /* 0: none */
};
#define VARIANT_DEFAULTS {0, 1, "sigmoid", "tanh", 0.0}

/* Sets "variant". ValueError for what cells of the kind have not; returns -1 then. */
int variant_read(enum cell_kind kind, const struct variant_arguments *arguments,
                 struct cell_variant *variant);

#endif
