#include "generator.h"

#include "arrays.h"
#include "errors.h"

int generator_seed_from_system(struct module_state *module_state)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *bytes = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "i", 8);
    char *data;
    Py_ssize_t length;
    uint64_t seed = 0;
    int result = -1;

    if (bytes != NULL && PyBytes_AsStringAndSize(bytes, &data, &length) == 0) {
        for (Py_ssize_t i = 0; i < length; i++)
            seed = seed << 8 | (unsigned char)data[i];
        generator_seed(&module_state->rng, seed);
        result = 0;
    }
    Py_XDECREF(os);
    Py_XDECREF(bytes);
    return result;
}

PyDoc_STRVAR(manual_seed_doc, "manual_seed($module, seed, /)\n--\n\n"
                              "Restart the generator from a seed in [0, 2**64).");

static PyObject *manual_seed(PyObject *module, PyObject *argument)
{
    struct module_state *module_state = PyModule_GetState(module);
    PyObject *number = PyNumber_Index(argument);
    unsigned long long seed;

    if (number == NULL)
        return NULL;
    seed = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (seed == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "the seed must be in [0, 2**64)");
        return NULL;
    }
    lock_acquire(&module_state->rng_lock);
    generator_seed(&module_state->rng, seed);
    lock_release(&module_state->rng_lock);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(initial_seed_doc, "initial_seed($module, /)\n--\n\n"
                               "The seed that the generator started from.");

static PyObject *initial_seed(PyObject *module, PyObject *unused)
{
    struct module_state *module_state = PyModule_GetState(module);
    unsigned long long seed;

    (void)unused;
    lock_acquire(&module_state->rng_lock);
    seed = module_state->rng.seed;
    lock_release(&module_state->rng_lock);
    return PyLong_FromUnsignedLongLong(seed);
}

PyDoc_STRVAR(get_rng_state_doc, "get_rng_state($module, /)\n--\n\n"
                                "The generator's state as torch.get_rng_state() lays it out:\n"
                                "a new uint8 array of 5056 bytes.");

static PyObject *get_rng_state(PyObject *module, PyObject *unused)
{
    struct module_state *module_state = PyModule_GetState(module);
    npy_intp size = GENERATOR_STATE_SIZE;
    PyObject *array = PyArray_SimpleNew(1, &size, NPY_UINT8);

    (void)unused;
    if (array == NULL)
        return NULL;
    lock_acquire(&module_state->rng_lock);
    generator_get_state(&module_state->rng, PyArray_DATA((PyArrayObject *)array));
    lock_release(&module_state->rng_lock);
    return array;
}

PyDoc_STRVAR(set_rng_state_doc, "set_rng_state($module, state, /)\n--\n\n"
                                "Continue from a state that get_rng_state() returned, here or\n"
                                "in torch.");

static int check_blob(PyArrayObject *given)
{
    if (PyArray_TYPE(given) != NPY_UINT8)
        return error_raise(PyExc_TypeError,
                           "RNG state must be a torch.ByteTensor: an array of uint8, got %S",
                           (PyObject *)PyArray_DESCR(given));
    if (PyArray_SIZE(given) != GENERATOR_STATE_SIZE)
        return error_raise(PyExc_RuntimeError,
                           "Expected a CPUGeneratorImplState of size %d but found the input RNG "
                           "state size to be %zd",
                           GENERATOR_STATE_SIZE, (Py_ssize_t)PyArray_SIZE(given));
    return 0;
}

static PyObject *set_rng_state(PyObject *module, PyObject *argument)
{
    struct module_state *module_state = PyModule_GetState(module);
    PyArrayObject *given = array_open(argument, "state"), *bytes = NULL;
    int result;

    if (given != NULL && check_blob(given) == 0)
        bytes = (PyArrayObject *)PyArray_FromArray(given, NULL, NPY_ARRAY_CARRAY_RO);
    array_release(given);
    if (bytes == NULL)
        return NULL;
    lock_acquire(&module_state->rng_lock);
    result = generator_set_state(&module_state->rng, PyArray_DATA(bytes));
    lock_release(&module_state->rng_lock);
    array_release(bytes);
    if (result < 0) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid mt19937 state");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef generator_methods[] = {
    {"manual_seed", manual_seed, METH_O, manual_seed_doc},
    {"initial_seed", initial_seed, METH_NOARGS, initial_seed_doc},
    {"get_rng_state", get_rng_state, METH_NOARGS, get_rng_state_doc},
    {"set_rng_state", set_rng_state, METH_O, set_rng_state_doc},
    {NULL, NULL, 0, NULL},
};
