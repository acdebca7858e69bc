#include "draws.h"

#include "arrays.h"
#include "errors.h"

#include "../core/dropout.h"
#include "../core/fpenv.h"
#include "../core/normal.h"

/* The argument as an array that can be filled, borrowed; NULL with an exception for others. */
static PyArrayObject *filled_array(PyObject *object)
{
    PyArrayObject *array = (PyArrayObject *)object;

    if (PyArray_Check(object) && PyArray_ISCARRAY(array) &&
        (PyArray_TYPE(array) == NPY_FLOAT32 || PyArray_TYPE(array) == NPY_FLOAT64))
        return array;
    error_type("out must be a writable C-contiguous array of float32 or float64", object);
    return NULL;
}

PyDoc_STRVAR(draw_uniform_doc, "draw_uniform($module, out, /)\n--\n\n"
                               "Fill an array with uniform numbers of [0, 1).");

static PyObject *draw_uniform(PyObject *module, PyObject *argument)
{
    struct module_state *module_state = PyModule_GetState(module);
    PyArrayObject *out = filled_array(argument);

    if (out == NULL)
        return NULL;
    const fpenv_t saved = fpenv_enter();
    lock_acquire(&module_state->rng_lock);
    if (PyArray_TYPE(out) == NPY_FLOAT32)
        generator_uniform_f32(&module_state->rng, 0.0, 1.0, PyArray_DATA(out), PyArray_SIZE(out));
    else
        generator_uniform_f64(&module_state->rng, 0.0, 1.0, PyArray_DATA(out), PyArray_SIZE(out));
    lock_release(&module_state->rng_lock);
    fpenv_leave(saved);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(draw_normal_doc, "draw_normal($module, out, /)\n--\n\n"
                              "Fill an array of float32, of 16 numbers or more, with standard\n"
                              "normal numbers: torch's.");

static PyObject *draw_normal(PyObject *module, PyObject *argument)
{
    struct module_state *module_state = PyModule_GetState(module);
    PyArrayObject *out = filled_array(argument);

    if (out == NULL)
        return NULL;
    if (PyArray_TYPE(out) != NPY_FLOAT32 || PyArray_SIZE(out) < NORMAL_GROUP) {
        error_raise(PyExc_ValueError, "out must be of float32 and have at least %d numbers",
                    NORMAL_GROUP);
        return NULL;
    }
    const fpenv_t saved = fpenv_enter();
    lock_acquire(&module_state->rng_lock);
    generator_normal_f32(&module_state->rng, PyArray_DATA(out), PyArray_SIZE(out));
    lock_release(&module_state->rng_lock);
    fpenv_leave(saved);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(swap_normal_doc,
             "swap_normal($module, value, /)\n--\n\n"
             "The normal number that waits in the generator, None where there is none;\n"
             "\"value\", a number or None, takes its place.");

static PyObject *swap_normal(PyObject *module, PyObject *argument)
{
    struct module_state *module_state = PyModule_GetState(module);
    struct generator *rng = &module_state->rng;
    const bool is_number = argument != Py_None;
    const double value = is_number ? PyFloat_AsDouble(argument) : 0.0;

    if (is_number && PyErr_Occurred())
        return NULL;
    lock_acquire(&module_state->rng_lock);
    const bool was_valid = rng->normal_is_valid != 0;
    const double before = rng->normal_y;
    rng->normal_y = value;
    rng->normal_is_valid = is_number;
    lock_release(&module_state->rng_lock);
    if (!was_valid)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(before);
}

PyDoc_STRVAR(drop_out_doc,
             "drop_out($module, out, p, /)\n--\n\n"
             "Multiply each number of an array by 0, with a probability below 1, or by\n"
             "1 / (1 - p), drawn as between the layers of an LSTM.");

static PyObject *drop_out(PyObject *module, PyObject *args)
{
    struct module_state *module_state = PyModule_GetState(module);
    PyObject *argument;
    PyArrayObject *out;
    double p;

    if (!PyArg_ParseTuple(args, "Od:drop_out", &argument, &p) ||
        (out = filled_array(argument)) == NULL)
        return NULL;
    if (!(p >= 0.0 && p < 1.0)) {
        PyErr_SetString(PyExc_ValueError, "p must be in [0, 1)");
        return NULL;
    }
    const fpenv_t saved = fpenv_enter();
    lock_acquire(&module_state->rng_lock);
    if (PyArray_TYPE(out) == NPY_FLOAT32)
        dropout_f32(&module_state->rng, p, PyArray_DATA(out), PyArray_SIZE(out));
    else
        dropout_f64(&module_state->rng, p, PyArray_DATA(out), PyArray_SIZE(out));
    lock_release(&module_state->rng_lock);
    fpenv_leave(saved);
    Py_RETURN_NONE;
}

PyMethodDef draws_methods[] = {
    {"draw_uniform", draw_uniform, METH_O, draw_uniform_doc},
    {"draw_normal", draw_normal, METH_O, draw_normal_doc},
    {"swap_normal", swap_normal, METH_O, swap_normal_doc},
    {"drop_out", drop_out, METH_VARARGS, drop_out_doc},
    {NULL, NULL, 0, NULL},
};
