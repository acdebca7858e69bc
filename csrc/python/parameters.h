/* Parameters by name: torch's names and order, reading, assigning, converting. */
#ifndef PYLSTM_PYTHON_PARAMETERS_H
#define PYLSTM_PYTHON_PARAMETERS_H

#include "module_state.h"
#include "weights.h"

/* All names in torch's order, a tuple of str. */
PyObject *parameters_names(const struct weights *weights);
/* Index in torch's order. KeyError for a name that is not a parameter's; -1 then. */
ptrdiff_t parameters_index(const struct weights *weights, PyObject *name);
/* Copies the arrays of a dict into the parameters that they are named after: all of them, or none on
 * any error. An array may lie on these very weights. One that lies on another parameter of the dict
 * is read before or after that is written: which of the two is not promised. */
int parameters_assign(struct weights *weights, PyObject *values);
/* Draws every parameter from the module's generator. Cannot fail. */
void parameters_reset(struct module_state *module_state, struct weights *weights);
/* Fresh weights with the same values in another dtype. */
struct weights *parameters_converted(const struct weights *weights, enum dtype dtype);

#endif
