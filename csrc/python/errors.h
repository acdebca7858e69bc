/* Errors that more than one file raises, and what error texts are made with. call_errors.h has
 * those on the arguments of a call.
 */
#ifndef PYLSTM_PYTHON_ERRORS_H
#define PYLSTM_PYTHON_ERRORS_H

#include "common.h"

/* PyErr_Format(), but returns -1. */
COLD int error_raise(PyObject *type, const char *format, ...);
/* Like error_raise(), with the shape of `array` behind the text. */
COLD int error_with_shape(PyObject *type, PyArrayObject *array, const char *format, ...);
/* TypeError: `what`, got the type of `object`. Returns -1. */
COLD int error_type(const char *what, PyObject *object);
/* TypeError: the object that error texts call "name" is a masked array. Returns -1. */
COLD int error_masked(const char *name);
/* MemoryError: a module is too large. Returns -1. */
COLD int error_too_large(void);
/* Sizes from Python are ptrdiff_t or too large for any memory: OverflowError, if that is what is
 * set, becomes MemoryError. Always returns NULL. */
COLD PyObject *error_overflow(void);

/* The shape of `array` as a tuple for %R; with `count` in front of it unless that is negative. */
COLD PyObject *error_shape(Py_ssize_t count, PyArrayObject *array);

#endif
