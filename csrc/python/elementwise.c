#include "elementwise.h"

#include "arrays.h"
#include "errors.h"

#include "../core/fpenv.h"
#include "../core/gelu.h"
#include "../core/relu.h"
#include "../simd/dispatch.h"

/* From so many numbers on other Python threads may run meanwhile. */
enum { LARGE = 16384 };

typedef void function(const void *x, void *out, ptrdiff_t count);

static void gelu_of_float32(const void *x, void *out, ptrdiff_t count) { gelu_f32(x, out, count); }

static void gelu_of_float64(const void *x, void *out, ptrdiff_t count) { gelu_f64(x, out, count); }

static void relu_of_float32(const void *x, void *out, ptrdiff_t count) { relu_f32(x, out, count); }

static void relu_of_float64(const void *x, void *out, ptrdiff_t count) { relu_f64(x, out, count); }

static void run(function *f, const void *x, void *out, ptrdiff_t count)
{
    const fpenv_t saved = fpenv_enter();

    f(x, out, count);
    fpenv_leave(saved);
}

/* A new array of f of every number of "object", an array of float32 or float64. */
static PyObject *apply(PyObject *module, PyObject *object, function *of_float32,
                       function *of_float64)
{
    PyArrayObject *x = array_open(object, "input"), *out = NULL;
    const bool is_single = x != NULL && PyArray_TYPE(x) == NPY_FLOAT32;

    if (x == NULL)
        return NULL;
    if (!is_single && PyArray_TYPE(x) != NPY_FLOAT64) {
        error_raise(PyExc_TypeError, "input must be of float32 or float64, got %S",
                    (PyObject *)PyArray_DESCR(x));
    } else if (array_detach(&x) == 0 && array_fit(PyModule_GetState(module), &x,
                                                  is_single ? DTYPE_FLOAT32 : DTYPE_FLOAT64) == 0) {
        out = array_new(PyModule_GetState(module), is_single ? DTYPE_FLOAT32 : DTYPE_FLOAT64,
                        PyArray_NDIM(x), PyArray_DIMS(x));
    }
    if (out != NULL) {
        function *const f = is_single ? of_float32 : of_float64;
        const void *const from = PyArray_DATA(x);
        void *const to = PyArray_DATA(out);
        const ptrdiff_t count = PyArray_SIZE(x);
        if (count >= LARGE) {
            Py_BEGIN_ALLOW_THREADS
            run(f, from, to, count);
            Py_END_ALLOW_THREADS
        } else {
            run(f, from, to, count);
        }
    }
    array_release(x);
    return (PyObject *)out;
}

PyDoc_STRVAR(sigmoid_doc, "sigmoid($module, input, /)\n--\n\n"
                          "1 / (1 + exp(-x)) of an array of float32 or float64: a new array.");

static PyObject *sigmoid(PyObject *module, PyObject *input)
{
    return apply(module, input, kernels_current(DTYPE_FLOAT32)->sigmoid,
                 kernels_current(DTYPE_FLOAT64)->sigmoid);
}

PyDoc_STRVAR(tanh_doc, "tanh($module, input, /)\n--\n\n"
                       "The hyperbolic tangent of an array of float32 or float64: a new array.");

static PyObject *hyperbolic_tangent(PyObject *module, PyObject *input)
{
    return apply(module, input, kernels_current(DTYPE_FLOAT32)->tanh,
                 kernels_current(DTYPE_FLOAT64)->tanh);
}

PyDoc_STRVAR(gelu_doc, "gelu($module, input, /)\n--\n\n"
                       "x (1 + erf(x / sqrt(2))) / 2 of an array of float32 or float64: a new\n"
                       "array.");

static PyObject *gelu(PyObject *module, PyObject *input)
{
    return apply(module, input, gelu_of_float32, gelu_of_float64);
}

PyDoc_STRVAR(relu_doc, "relu($module, input, /)\n--\n\n"
                       "max(x, 0) of an array of float32 or float64: a new array.");

static PyObject *relu(PyObject *module, PyObject *input)
{
    return apply(module, input, relu_of_float32, relu_of_float64);
}

PyMethodDef elementwise_methods[] = {
    {"sigmoid", sigmoid, METH_O, sigmoid_doc},
    {"tanh", hyperbolic_tangent, METH_O, tanh_doc},
    {"gelu", gelu, METH_O, gelu_doc},
    {"relu", relu, METH_O, relu_doc},
    {NULL, NULL, 0, NULL},
};
