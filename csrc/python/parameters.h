/* Parameters: assigning, drawing, converting. */
#ifndef PYLSTM_PYTHON_PARAMETERS_H
#define PYLSTM_PYTHON_PARAMETERS_H

#include "module_state.h"
#include "weights.h"

/* Copies the arrays of a dict into the parameters that they are named after: all of them, or none on
 * any error. Compressed weights take arrays of float32, and what compressed_stored() returns. An array
 * may lie on these very weights. One that lies on another parameter of the dict is read before or
 * after that is written: which of the two is not promised. */
int parameters_assign(struct weights *weights, PyObject *values);
/* Copies or compresses rows of float32 to a parameter, from row `first` on. Of compressed weights the
 * rows are undefined after a ValueError for a weight that the storage cannot hold. */
int parameters_assign_rows(struct weights *weights, PyObject *name, Py_ssize_t first,
                           PyObject *rows);
/* Draws every parameter from the module's generator. Cannot fail but for compressed weights. */
int parameters_reset(struct module_state *module_state, struct weights *weights);
/* Fresh weights with the same values, as other kernels keep them (form.h). */
struct weights *parameters_converted(const struct weights *weights,
                                     const struct rnn_kernels *kernels);

#endif
