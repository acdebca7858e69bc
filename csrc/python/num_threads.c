#include "num_threads.h"

#include "errors.h"

#include <errno.h>
#include <stdlib.h>

#define VARIABLE "PYLSTM_NUM_THREADS"
#define MOST_THREADS (POOL_MOST_HELPERS + 1)

static int clamp(long long threads) { return threads < MOST_THREADS ? (int)threads : MOST_THREADS; }

int num_threads_from_environment(struct module_state *module_state)
{
    const char *text = getenv(VARIABLE);
    char *end;
    long threads;

    pool_watch_forks();
    if (text == NULL || *text == '\0')
        return 0;
    errno = 0;
    threads = strtol(text, &end, 10);
    if (*end != '\0' || threads < 1 || errno != 0)
        return error_raise(PyExc_ImportError, VARIABLE "=%s is not a number of threads, 1 or more",
                           text);
    module_state->threads = clamp(threads);
    module_state->threads_set = true;
    return 0;
}

/* What pylstm.runtime.threads.usable_cpus() says; -1 on failure. */
static int usable_cpus(void)
{
    PyObject *module = PyImport_ImportModule("pylstm.runtime.threads");
    PyObject *count = module == NULL ? NULL : PyObject_CallMethod(module, "usable_cpus", NULL);
    long threads = count == NULL ? -1 : PyLong_AsLong(count);

    Py_XDECREF(module);
    Py_XDECREF(count);
    if (threads == -1 && PyErr_Occurred())
        return -1;
    return threads < 1 ? 1 : clamp(threads);
}

int num_threads_limit(struct module_state *module_state)
{
    int none = 0;

    if (module_state->threads == 0) {
        const int threads = usable_cpus();
        if (threads < 0)
            return -1;
        /* Not over what another thread has set meanwhile. */
        atomic_compare_exchange_strong(&module_state->threads, &none, threads);
    }
    return module_state->threads;
}

void num_threads_close(struct module_state *module_state) { pool_close(&module_state->pool); }

PyDoc_STRVAR(
    set_num_threads_doc,
    "set_num_threads($module, n, /)\n--\n\n"
    "Let a call use up to n threads, the caller's own included.\n\n"
    "With n above 1, threads also share short calls, and hidden units with a barrier after\n"
    "every step. Without this function and without the variable PYLSTM_NUM_THREADS, they\n"
    "share only calls of a millisecond or more, by rows of the batch or by direction. The\n"
    "number of threads changes no bit of a result.\n\n"
    "Parameters\n----------\n"
    "n : int\n"
    "    1 or more; with 1, a call uses the calling thread alone.\n\n"
    "Raises\n------\n"
    "RuntimeError\n"
    "    If n is not an int, or less than 1.\n"
    "ValueError\n"
    "    If n does not fit 32 bits.\n\n"
    "Examples\n--------\n"
    ">>> import pylstm\n"
    ">>> pylstm.set_num_threads(1)  # every later call runs in one thread\n"
    ">>> pylstm.get_num_threads()\n"
    "1");

/* A number of threads, with the errors of torch.set_num_threads; -1 on failure. */
static int num_threads_from_object(PyObject *value)
{
    PyObject *index, *type;
    int overflow;
    long long threads;

    if (PyBool_Check(value) || !PyIndex_Check(value)) {
        type = PyObject_GetAttrString((PyObject *)Py_TYPE(value), "__name__");
        if (type != NULL)
            PyErr_Format(PyExc_RuntimeError, "set_num_threads expects an int, but got %S", type);
        Py_XDECREF(type);
        return -1;
    }
    index = PyNumber_Index(value);
    if (index == NULL)
        return -1;
    threads = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (threads == -1 && PyErr_Occurred())
        return -1;
    if (overflow != 0 || threads > INT32_MAX || threads < INT32_MIN)
        return error_raise(PyExc_ValueError, overflow != 0 ? "Overflow when unpacking long long"
                                                           : "Overflow when unpacking long");
    if (threads < 1)
        return error_raise(PyExc_RuntimeError, "set_num_threads expects a positive integer");
    return clamp(threads);
}

static PyObject *set_threads(PyObject *module, PyObject *value, bool by_user)
{
    struct module_state *module_state = PyModule_GetState(module);
    const int threads = num_threads_from_object(value);

    if (threads < 0)
        return NULL;
    module_state->threads = threads;
    if (by_user)
        module_state->threads_set = true;
    Py_RETURN_NONE;
}

static PyObject *set_num_threads(PyObject *module, PyObject *value)
{
    return set_threads(module, value, true);
}

PyDoc_STRVAR(limit_threads_doc,
             "_limit_threads($module, n, /)\n--\n\n"
             "Like :func:`set_num_threads`, but calls are shared no more eagerly than before.");

static PyObject *limit_threads(PyObject *module, PyObject *value)
{
    return set_threads(module, value, false);
}

PyDoc_STRVAR(get_num_threads_doc,
             "get_num_threads($module, /)\n--\n\n"
             "Return how many threads a call may use.\n\n"
             "The number is the one that :func:`set_num_threads` or PYLSTM_NUM_THREADS has set;\n"
             "otherwise the least of the CPUs in the affinity of the process, the quota of its\n"
             "control group, and OMP_NUM_THREADS.\n\n"
             "Returns\n-------\n"
             "int\n\n"
             "Examples\n--------\n"
             ">>> import pylstm\n"
             ">>> pylstm.get_num_threads() >= 1\n"
             "True");

static PyObject *get_num_threads(PyObject *module, PyObject *unused)
{
    const int threads = num_threads_limit(PyModule_GetState(module));

    (void)unused;
    return threads < 0 ? NULL : PyLong_FromLong(threads);
}

PyDoc_STRVAR(close_threads_doc, "_close_threads($module, /)\n--\n\n"
                                "End the helper threads; later calls work alone.");

static PyObject *close_threads(PyObject *module, PyObject *unused)
{
    struct module_state *module_state = PyModule_GetState(module);

    (void)unused;
    /* A call that has the pool may need the GIL to get on. */
    Py_BEGIN_ALLOW_THREADS
    num_threads_close(module_state);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

PyMethodDef num_threads_methods[] = {
    {"set_num_threads", set_num_threads, METH_O, set_num_threads_doc},
    {"get_num_threads", get_num_threads, METH_NOARGS, get_num_threads_doc},
    {"_limit_threads", limit_threads, METH_O, limit_threads_doc},
    {"_close_threads", close_threads, METH_NOARGS, close_threads_doc},
    {NULL, NULL, 0, NULL},
};
