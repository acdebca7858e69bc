/* Rows on their way between a padded and a packed batch, for pylstm.utils.rnn.
 *
 * The functions here take what nearly all calls bring: ndarrays of numbers in this machine's byte
 * order, rows in one piece, lengths that are right. Of anything else, errors included, they return
 * None: Python then goes the way by NumPy, which takes more and has the texts.
 */
#ifndef PYLSTM_PYTHON_PACKING_H
#define PYLSTM_PYTHON_PACKING_H

#include "common.h"

extern PyMethodDef packing_methods[];

/* A copy that no other code can change of a 1-D ndarray of int64. NULL without an exception for
 * anything else. */
PyArrayObject *packing_copy(PyObject *object);
/* The inverse of a permutation, a 1-D ndarray of int64 as it is, of at most so many numbers. NULL
 * without an exception for anything else. */
PyArrayObject *packing_inverse(PyObject *indices, npy_intp most);

#endif
