/* Allocations that fail on request: only in builds for tests (PYLSTM_TEST_HOOKS=1).
 *
 *     def _test_fail_allocation(n: int, /) -> None: ...        # the n-th from now on; 0: none
 *     def _test_allocations() -> tuple[int, int]: ...          # made since then; alive
 *
 * What counts is our own memory (memory_new and memory_new_zeroed) and, while a failure is
 * asked for, the data of NumPy's arrays.
 */
#include "test_hooks.h"

#include "memory.h"

#include <stdatomic.h>

#ifdef PYLSTM_TEST_HOOKS

static atomic_long made, failing, alive;

/* Counts an allocation. Returns true if this allocation has to fail. */
static bool fails(void) { return atomic_fetch_add(&made, 1) + 1 == failing; }

static void *counted(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add(&alive, 1);
    return memory;
}

void *memory_new(size_t nbytes) { return fails() ? NULL : counted(PyMem_RawMalloc(nbytes)); }

void *memory_new_zeroed(size_t nbytes)
{
    return fails() ? NULL : counted(PyMem_RawCalloc(1, nbytes));
}

void memory_free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub(&alive, 1);
    PyMem_RawFree(memory);
}

/* ---- NumPy's data ---- */

static void *data_malloc(void *context, size_t nbytes)
{
    (void)context;
    return memory_new(nbytes);
}

static void *data_calloc(void *context, size_t count, size_t nbytes)
{
    (void)context;
    return fails() ? NULL : counted(PyMem_RawCalloc(count, nbytes));
}

static void *data_realloc(void *context, void *memory, size_t nbytes)
{
    (void)context;
    return fails() ? NULL : PyMem_RawRealloc(memory, nbytes);
}

static void data_free(void *context, void *memory, size_t nbytes)
{
    (void)context, (void)nbytes;
    memory_free(memory);
}

static PyDataMem_Handler handler = {
    .name = "pylstm_test_hooks",
    .version = 1,
    .allocator = {NULL, data_malloc, data_calloc, data_realloc, data_free},
};

/* Sets the allocator of NumPy's data: the one above, or NumPy's own. */
static int set_handler(bool here)
{
    PyObject *capsule = here ? PyCapsule_New(&handler, "mem_handler", NULL) : NULL;
    PyObject *before;

    if (here && capsule == NULL)
        return -1;
    before = PyDataMem_SetHandler(capsule);
    Py_XDECREF(capsule);
    Py_XDECREF(before);
    return before == NULL ? -1 : 0;
}

/* ---- Functions ---- */

static PyObject *fail_allocation(PyObject *module, PyObject *argument)
{
    const long n = PyLong_AsLong(argument);

    (void)module;
    if ((n == -1 && PyErr_Occurred()) || set_handler(n > 0) < 0)
        return NULL;
    made = 0;
    failing = n;
    Py_RETURN_NONE;
}

static PyObject *allocations(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return Py_BuildValue("(ll)", (long)made, (long)alive);
}

PyMethodDef test_hooks_methods[] = {
    {"_test_fail_allocation", fail_allocation, METH_O, NULL},
    {"_test_allocations", allocations, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#endif
