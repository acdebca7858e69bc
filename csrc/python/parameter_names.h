/* Torch's names of parameters, in its order. */
#ifndef PYLSTM_PYTHON_PARAMETER_NAMES_H
#define PYLSTM_PYTHON_PARAMETER_NAMES_H

#include "weights.h"

/* All names in torch's order, a tuple of str. */
PyObject *parameters_names(const struct weights *weights);
/* The name of one of them. */
PyObject *parameters_name(const struct weights *weights, ptrdiff_t index);
/* Index in torch's order. KeyError for a name that is not a parameter's; -1 then. */
ptrdiff_t parameters_index(const struct weights *weights, PyObject *name);

#endif
