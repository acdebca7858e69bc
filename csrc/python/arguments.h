/* The arguments of a call: which objects were given, and the arrays behind them. */
#ifndef PYLSTM_PYTHON_ARGUMENTS_H
#define PYLSTM_PYTHON_ARGUMENTS_H

#include "request.h"

/* Gives the request extras, which are empty yet. */
void arguments_begin_extras(struct request *request, struct extras *extras);
/* Reads (input, hx=None, *, lengths=None, reset=None, out=None), of a cell without lengths and reset,
 * from `count` positional arguments, and those called `names` after them: the arguments of
 * METH_FASTCALL | METH_KEYWORDS. TypeError as Python raises it. Where there is another keyword than
 * input and hx, the request gets "extras". */
int arguments_read(struct request *request, PyObject *const *args, Py_ssize_t count,
                   PyObject *names, struct extras *extras);
/* Like arguments_read(), from a tuple, and a dict or NULL. */
int arguments_read_tuple(struct request *request, PyObject *args, PyObject *kwargs,
                         struct extras *extras);
/* Takes a snapshot of the weights, and opens the arrays behind the objects. Runs code of others
 * where an object is no plain array. arguments_close() is due even after a failure. */
int arguments_open(struct request *request);
/* Takes views of x and the states: code that runs from here on cannot reshape those. */
int arguments_detach(struct request *request);
/* Converts what does not fit. Due right after the checks: whatever else makes Python objects may
 * run the garbage collector, and that code which reshapes the caller's arrays. */
int arguments_fit(struct request *request);
/* Gives back what arguments_open() took. */
void arguments_close(struct request *request);

#endif
