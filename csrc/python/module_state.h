/* What pylstm._core holds for as long as it is loaded. Borrowed by everything that has an object of
 * the module; module.c fills it and clears it.
 */
#ifndef PYLSTM_PYTHON_MODULE_STATE_H
#define PYLSTM_PYTHON_MODULE_STATE_H

#include "lock.h"

#include "../core/random.h"
#include "../simd/kernels.h"
#include "../threads/pool.h"

#include <stdatomic.h>

/* Names of keywords, methods and attributes. */
enum {
    NAME_INPUT, /* the arguments of a call, in this order */
    NAME_HX,
    NAME_OUT,
    NAME_LENGTHS, /* from here on of layers alone */
    NAME_RESET,
    NAME_ROWS, /* of a stream's call */
    NAME_CALL_IMPL,
    NAME_FORWARD_PACKED,
    NAME_BATCH_SIZES,
    NAMES
};

struct module_state {
    PyTypeObject *layer_type;
    PyTypeObject *rnn_type;
    PyTypeObject *cell_type;
    PyTypeObject *linear_type;
    PyTypeObject *conv_type;
    PyTypeObject *stream_type;
    PyTypeObject *lease_type;  /* NULL, as the other six, once the interpreter goes down */
    PyTypeObject *packed_type; /* PackedSequence; NULL until pylstm.utils is imported as well */
    PyArray_Descr *descr[DTYPE_COUNT];
    PyObject *names[NAMES]; /* interned */

    struct generator rng; /* guarded by the GIL, or by the lock where there is none */
    struct lock rng_lock;

    struct pool pool;
    atomic_int threads;      /* how many a call may have; 0 until that is known */
    atomic_bool threads_set; /* by the user: then calls are shared more eagerly */
};

extern struct PyModuleDef core_module; /* module.c */

#endif
