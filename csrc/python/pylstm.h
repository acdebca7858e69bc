/* What the C files of pylstm._core share: the module state, the objects and their helpers.
 *
 * Every function returns 0 or -1, or a new reference or NULL, with an exception set on
 * failure, unless its comment says otherwise. All of them need the GIL. Only the limited
 * API of Python 3.11 is used, so that one source serves both kinds of wheel.
 */
#ifndef PYLSTM_PYTHON_PYLSTM_H
#define PYLSTM_PYTHON_PYLSTM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL pylstm_numpy_api
#ifndef PYLSTM_IMPORT_ARRAY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <structmember.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "../core/pack.h"
#include "../core/params.h"
#include "../core/random.h"
#include "../simd/dispatch.h"
#include "../threads/straggler.h"

/* ---- A lock that costs nothing where the GIL already excludes other threads ---- */

#ifdef Py_GIL_DISABLED
struct lock {
    PyMutex mutex;
};
static inline void lock_acquire(struct lock *lock) { PyMutex_Lock(&lock->mutex); }
static inline void lock_release(struct lock *lock) { PyMutex_Unlock(&lock->mutex); }
#else
struct lock {
    char unused;
};
static inline void lock_acquire(struct lock *lock) { (void)lock; }
static inline void lock_release(struct lock *lock) { (void)lock; }
#endif

/* ---- Memory of our own, objects aside. Needs no GIL; in builds for tests it can be made to fail
 * (test_hooks.c). ---- */

#ifdef PYLSTM_TEST_HOOKS
void *memory_new(size_t nbytes);
void *memory_new_zeroed(size_t nbytes);
void memory_free(void *memory);
extern PyMethodDef test_hooks_methods[];
#elif defined(Py_LIMITED_API) /* which has none of the next functions before 3.13 */
static inline void *memory_new(size_t nbytes) { return malloc(nbytes); }
static inline void *memory_new_zeroed(size_t nbytes) { return calloc(1, nbytes); }
static inline void memory_free(void *memory) { free(memory); }
#else
static inline void *memory_new(size_t nbytes) { return PyMem_RawMalloc(nbytes); }
static inline void *memory_new_zeroed(size_t nbytes) { return PyMem_RawCalloc(1, nbytes); }
static inline void memory_free(void *memory) { PyMem_RawFree(memory); }
#endif

/* A function as PyType_Slot and PyModuleDef_Slot want it, and back: ISO C has no such
 * conversion, every platform of CPython has. */
#define SLOT_FUNCTION(function) (__extension__(void *)(function))
#define FUNCTION_FROM_SLOT(type, slot) (__extension__(type)(slot))

/* ---- Module state ---- */

struct module_state {
    PyTypeObject *layer_type;
    PyTypeObject *rnn_type;
    PyTypeObject *cell_type;
    PyTypeObject *lease_type;
    PyArray_Descr *descr[DTYPE_COUNT];
    PyObject *input_name, *hx_name; /* interned keyword names */
    PyObject *call_impl_name, *forward_packed_name, *batch_sizes_name;

    struct generator rng; /* guarded by the GIL, or by the lock where there is none */
    struct lock rng_lock;

    struct pool pool;
    atomic_int threads;      /* how many a call may have; 0 until that is known */
    atomic_bool threads_set; /* by the user: then calls are shared more eagerly */
};

extern struct PyModuleDef core_module;
extern PyMethodDef generator_methods[];   /* generator.c */
extern PyMethodDef num_threads_methods[]; /* num_threads.c */

/* Reads PYLSTM_NUM_THREADS. ImportError where it is not a positive integer. */
int num_threads_from_environment(struct module_state *module_state);
/* How many threads a call may have; -1 on failure. The first time, this runs Python code. */
int num_threads_limit(struct module_state *module_state);
/* Ends the helpers; later calls work alone. Cannot fail. */
void num_threads_close(struct module_state *module_state);

int generator_seed_from_system(struct module_state *module_state);

/* ---- Parameters in memory (weights.c), packed (snapshot.c) ---- */

/* What a call computes with: alive as long as a call uses it, and immutable but for the copies. */
struct snapshot {
    atomic_size_t references;
    struct rnn_net net;
    bool finite; /* every weight_hh is: zero states may be left out */
    void *packed;

    /* Guarded by the weights' lock: how many calls compare parameters with this snapshot now. Only
     * while that is 0 the copies may change. */
    size_t readers;
    void **copies; /* of each parameter: NULL, or the bytes that were packed */
};

/* One parameter of weights. */
struct watch {
    void *values; /* in weights->params */
    ptrdiff_t elements;
    bool matrix;         /* not a bias; none of the three ever changes */
    bool held;           /* leased without a break since an earlier call that compared */
    atomic_bool suspect; /* may differ from the snapshot unnoticed; read without the lock too */
    size_t leases;       /* that are alive */
};

/* The parameters of a module, 64-byte aligned, in torch's order and layout. */
struct weights {
    atomic_size_t references;
    struct rnn_net net;
    bool cell; /* parameters are named as LSTMCell names them */
    size_t nbytes;
    void *params;

    struct lock lock;          /* guards all that follows; weights.c has the rules */
    struct snapshot *snapshot; /* the newest; NULL: none yet */
    bool current;              /* the library has made no change since */
    size_t events;             /* how many changes it made and how many leases began or ended */
    size_t leases;             /* how many are alive */
    ptrdiff_t suspects;        /* how many elements the suspects have */
    struct watch *watches;     /* of each parameter */
};

struct weights *weights_new(const struct rnn_net *net, bool cell);
struct weights *weights_acquire(struct weights *weights);
void weights_release(struct weights *weights); /* NULL is allowed */
/* To be called after the library wrote to the parameters. */
void weights_changed(struct weights *weights);
/* A writable array on parameter `index` begins or ends to exist. */
void weights_lease_begin(struct weights *weights, ptrdiff_t index);
void weights_lease_end(struct weights *weights, ptrdiff_t index);
/* How many are alive, of all parameters. */
size_t weights_leases(struct weights *weights);
/* True if parameter `index` may differ from the snapshot unnoticed. */
static inline bool weights_suspects(const struct weights *weights, ptrdiff_t index)
{
    return atomic_load_explicit(&weights->watches[index].suspect, memory_order_relaxed);
}
/* The cached snapshot, a new reference, or NULL with no exception where it may be out of date. */
struct snapshot *weights_cached_snapshot(struct weights *weights);
/* A snapshot of the present values, a new reference: cached, or packed now. */
struct snapshot *weights_snapshot(struct weights *weights);

#define VALUES_ALIGNMENT 64
/* Bytes of `elements` values of the network; MemoryError and -1 where those, behind `header` other
 * bytes and aligned, would be absurd. */
ptrdiff_t values_size(const struct rnn_net *net, ptrdiff_t elements, size_t header);
/* The first address from `pointer` on that is aligned. */
void *values_align(void *pointer);

/* Packs the values that the weights hold now. */
struct snapshot *snapshot_new(const struct weights *weights);
static inline struct snapshot *snapshot_acquire(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}
void snapshot_release(struct snapshot *snapshot); /* NULL is allowed */
/* True if the snapshot has the present values of all suspects, so many elements. The caller is one
 * of its readers. */
bool snapshot_has_suspects(const struct snapshot *snapshot, const struct weights *weights,
                           ptrdiff_t elements);
/* True if a copy would make comparisons of the parameter shorter. */
bool snapshot_wants_copy(const struct snapshot *snapshot, const struct weights *weights,
                         ptrdiff_t index);
/* A copy for snapshot->copies, or NULL where the parameter is being written to. Returns -1 on
 * failure. */
int snapshot_copy(const struct snapshot *snapshot, const struct weights *weights, ptrdiff_t index,
                  void **copy);

/* ---- The object behind LSTM and LSTMCell (layer.c, layer_type.c) ---- */

/* The limited API declares these from Python 3.12 on; they are older, and have not changed. */
typedef PyObject *(*layer_vectorcall_function)(PyObject *, PyObject *const *, size_t, PyObject *);
#define LAYER_HAS_VECTORCALL (1UL << 11)

typedef struct {
    PyObject_HEAD
    layer_vectorcall_function vectorcall;
    PyObject *module; /* keeps "state" alive */
    struct module_state *module_state;
    struct lock lock;        /* guards "weights" */
    struct weights *weights; /* NULL until _build */
    /* Read by calls in other threads while Python sets them. */
    _Atomic double dropout;
    atomic_bool batch_first;
    atomic_bool training;
    atomic_bool direct; /* a call may skip hooks and Python's forward: there are none */
} layer_object;

extern PyMemberDef layer_members[];
extern PyType_Spec layer_type_spec;
extern PyType_Spec rnn_type_spec;
extern PyType_Spec cell_type_spec;
extern PyType_Spec lease_type_spec;

/* Takes over the reference to "weights". */
void layer_set_weights(layer_object *self, struct weights *weights);
/* The weights, a new reference. RuntimeError before _build. */
struct weights *layer_weights(layer_object *self);
struct snapshot *layer_snapshot(layer_object *self);
/* Gives the object fresh weights, all zero; running calls and exported arrays keep the old. */
int layer_build(layer_object *self, const struct rnn_net *net, bool cell);
/* Reads a truth value for a flag attribute; "value" NULL (deletion) is an error. */
int flag_from_object(PyObject *value, const char *name, atomic_bool *flag);
const char *dtype_name(enum dtype dtype);
/* "float32" or "float64". ValueError for others; returns -1 then. */
int dtype_from_name(const char *name);
/* Sizes from Python are ptrdiff_t or too large for any memory: OverflowError, if that is
 * what is set, becomes MemoryError. Always returns NULL. */
PyObject *overflow_is_memory_error(void);

/* ---- Parameters as Python sees them (parameters.c, lease.c) ---- */

PyObject *parameters_names(const struct weights *weights);
/* Index in torch's order. KeyError for a name that is not a parameter's; -1 then. */
ptrdiff_t parameters_index(const struct weights *weights, PyObject *name);
int parameters_assign(struct weights *weights, PyObject *values);
void parameters_reset(struct module_state *module_state, struct weights *weights);
struct weights *parameters_converted(const struct weights *weights, enum dtype dtype);
/* Parameter `index` as an array on the weights' memory. */
PyObject *lease_array(struct module_state *module_state, struct weights *weights, ptrdiff_t index,
                      bool writable);

/* ---- Arrays (arrays.c) ---- */

static inline int array_typenum(enum dtype dtype)
{
    return dtype == DTYPE_FLOAT32 ? NPY_FLOAT32 : NPY_FLOAT64;
}

static inline void array_release(PyArrayObject *array) { Py_XDECREF((PyObject *)array); }

/* The stride of an array that fits, in elements. A shift, since the compilers turn a choice of
 * two divisors into a slow division; shifting negative numbers is arithmetic with all of them. */
static inline ptrdiff_t array_stride(PyArrayObject *array, int axis, enum dtype dtype)
{
    return PyArray_STRIDE(array, axis) >> (dtype == DTYPE_FLOAT32 ? 2 : 3);
}

/* True if the kernels can read it as it is: dtype, byte order, alignment, contiguous last axis. */
bool array_fits(PyArrayObject *array, enum dtype dtype);
/* "object" as an ndarray of any dtype, with no copy where that is possible. "name" is what
 * error texts call it. */
PyArrayObject *array_open_other(PyObject *object, const char *name);
static inline PyArrayObject *array_open(PyObject *object, const char *name)
{
    if (!PyArray_CheckExact(object))
        return array_open_other(object, name);
    Py_INCREF(object);
    return (PyArrayObject *)object;
}
/* TypeError unless the array holds real numbers or integers. */
int array_check_real(PyArrayObject *array, const char *name);
/* Replaces *array by a copy that fits. */
int array_fit(struct module_state *module_state, PyArrayObject **array, enum dtype dtype);
/* The dtype's descriptor, a new reference. */
PyArray_Descr *array_descr(struct module_state *module_state, enum dtype dtype);
/* A fresh array; "dims" has "ndim" items. */
PyArrayObject *array_new(struct module_state *module_state, enum dtype dtype, int ndim,
                         const npy_intp *dims);
/* as_array(obj, name, dtype) of the module: "float32" or "float64", None for the real numbers that
 * are there, "any" for whatever is there. */
PyObject *array_from_python(PyObject *module, PyObject *args);

/* ---- One call (call.c) ---- */

/* A call on its way to the core. Owns what it points to but "self". */
struct request {
    layer_object *self;
    struct snapshot *snapshot;
    PyArrayObject *x;
    PyArrayObject *hx_items[2]; /* h_0, c_0; NULL where hx is omitted */
    PyObject *hx;               /* as it was given, for error texts; borrowed */
    Py_ssize_t given;           /* how many states hx holds */
    bool stacked;               /* hx is one array, not a pair */
    bool batched;
    bool batch_first;
    bool packed; /* x is the data of a packed sequence */
    bool fits;   /* no array needs a conversion */
    ptrdiff_t steps;
    ptrdiff_t batch;
    ptrdiff_t rows;             /* of LSTM's two-dimensional inputs: unbatched or packed */
    PyArrayObject *batch_sizes; /* of packed data; borrowed */
    PyObject *results;          /* what the call writes to; borrowed */
    /* The threads of a first try that was given up, and the results that they may still write to;
     * or NULL. */
    struct team *late;
    PyObject *late_results;
};

struct arguments {
    PyObject *input, *hx; /* borrowed; hx is NULL where it is omitted or None */
};

/* Fills x, state, given and stacked. request_clear() is due even after a failure. */
int request_open(struct request *request, layer_object *self, const struct arguments *arguments);
int request_check_real(struct request *request);
/* Takes views of x and the states: code that runs from here on cannot reshape those. */
int request_detach(struct request *request);
/* Converts what does not fit, and fills "call" with sizes, x and the states; the strides of x and
 * the results are left to the caller. Due right after the checks: whatever else makes Python
 * objects may run the garbage collector, and that code which reshapes the caller's arrays. */
int request_begin(struct request *request, struct rnn_call *call);
/* Runs the core on what "call" says (run.c); the amount of work decides about the GIL and about
 * other threads. REQUEST_AGAIN: one of those is late, and request->results are the request's now.
 * Make others and run again, which is then done alone. */
enum { REQUEST_AGAIN = 1 };
int request_run(struct request *request, struct rnn_call *call);
/* Waits for the threads of a first try, before anything that they can reach is given back. */
void request_end_late(struct request *request);
void request_clear(struct request *request);
/* What a call of LSTM or LSTMCell is. */
struct layer_call {
    const char *name; /* in error texts */
    ternaryfunc slot; /* tp_call of the type */
    PyObject *(*run)(layer_object *self, struct arguments arguments);
};
extern const struct layer_call rnn_entry, cell_entry;
/* forward(), which takes its arguments as METH_FASTCALL | METH_KEYWORDS has them. */
PyObject *layer_forward(PyObject *object, const struct layer_call *call, PyObject *const *args,
                        Py_ssize_t count, PyObject *names);
/* tp_call: forward(), or Python's way round through the hooks. */
PyObject *layer_call_slot(PyObject *object, const struct layer_call *call, PyObject *args,
                          PyObject *kwargs);
/* The same, without a tuple and a dict (PEP 590). */
PyObject *layer_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names);

/* ---- LSTM (rnn_forward.c): both return (output, (h_n, c_n)); "hx" NULL for zeros ---- */

PyObject *rnn_run_dense(layer_object *self, const struct arguments *arguments);
PyObject *rnn_run_packed(layer_object *self, PyObject *data, PyObject *batch_sizes, PyObject *hx);

/* ---- Error texts: torch's text first, then what teaches. All return -1. ---- */

/* TypeError: "what", got the type of "object". */
int error_type(const char *what, PyObject *object);
int error_too_large(void); /* MemoryError */
int error_not_initialised(layer_object *self);
int error_rnn_input_rank(const struct request *request);
int error_rnn_input_size(const struct request *request);
int error_rnn_no_steps(const struct request *request);
int error_cell_input_rank(const struct request *request);
int error_cell_input_size(const struct request *request);
/* Not one of them: the shape of "array" as a tuple for %R, a new reference; with "count" in front
 * of it unless that is negative. */
PyObject *error_shape(Py_ssize_t count, PyArrayObject *array);

/* ---- Those on states (state_errors.c) ---- */

int error_hx_missing(const struct request *request);
int error_hx_type(PyObject *hx);
int error_hx_is_none(Py_ssize_t index);
int error_hx_is_nested(const struct request *request, Py_ssize_t index);
int error_hx_index(PyArrayObject *hx);
int error_rnn_hx_ranks(const struct request *request);
int error_rnn_hx_size(const struct request *request, int index);
int error_rnn_hx_count(const struct request *request);
int error_rnn_stacked(const struct request *request);
int error_cell_hx_rank(const struct request *request, int index);
int error_cell_hx_count(const struct request *request);
int error_cell_mixed_ranks(const struct request *request, int index);
int error_cell_batch(const struct request *request, int index);
int error_cell_hx_size(const struct request *request, int index);
int error_cell_stacked(const struct request *request);
/* True for a tuple or list of arrays, such as a whole pair where one state should be. */
bool is_tuple_of_arrays(PyObject *object);

#endif
