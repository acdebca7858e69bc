/* What every file of csrc/python begins with: Python's C API and NumPy's, and three words for the
 * compiler.
 *
 * What holds for every function of this folder unless its header says otherwise: it returns 0 or
 * -1, or a new reference or NULL, with an exception set on failure; its arguments are borrowed; it
 * needs the GIL. Only the limited API of Python 3.11 is used, so that one source serves both kinds
 * of wheel.
 */
#ifndef PYLSTM_PYTHON_COMMON_H
#define PYLSTM_PYTHON_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL pylstm_numpy_api
#ifndef PYLSTM_IMPORT_ARRAY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <structmember.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function that runs on errors alone: compiled for size, and away from the code of calls. */
#if defined(__GNUC__) || defined(__clang__)
#define COLD __attribute__((cold))
/* A function that every plain call runs: all of these lie side by side, in few pages. */
#define HOT __attribute__((hot))
/* A function that a plain call does not run: not inlined into those that it runs. */
#define APART __attribute__((noinline))
#else
#define COLD
#define HOT
#define APART
#endif

/* Names of keywords as PyArg_ParseTupleAndKeywords() wants them, which writes to none. */
#define KEYWORDS(names) ((char **)(uintptr_t)(names))

/* A function as PyType_Slot and PyModuleDef_Slot want it, and back: ISO C has no such
 * conversion, every platform of CPython has. */
#define SLOT_FUNCTION(function) (__extension__(void *)(function))
#define FUNCTION_FROM_SLOT(type, slot) (__extension__(type)(slot))

#endif
