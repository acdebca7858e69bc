/* pylstm._core: the C half of pylstm.
 *
 *     class Layer: ...                    # layer_type.c
 *     class RNN(Layer): ...               # rnn_type.c
 *     class Cell(Layer): ...              # cell_type.c
 *     class Linear(Layer): ...            # linear_type.c
 *     class Conv1d(Layer): ...            # conv_type.c
 *     class Stream: ...                   # stream_type.c
 *     class Lease: ...                    # lease.c
 *     def manual_seed(seed: int, /) -> None: ...                    # generator.c
 *     def initial_seed() -> int: ...
 *     def get_rng_state() -> numpy.ndarray: ...
 *     def set_rng_state(state, /) -> None: ...
 *     def draw_uniform(out, /) -> None: ...                         # draws.c
 *     def draw_normal(out, /) -> None: ...
 *     def swap_normal(value, /) -> float | None: ...
 *     def drop_out(out, p: float, /) -> None: ...
 *     def sigmoid(input, /) -> numpy.ndarray: ...                   # elementwise.c
 *     def tanh(input, /) -> numpy.ndarray: ...
 *     def gelu(input, /) -> numpy.ndarray: ...
 *     def set_num_threads(n: int, /) -> None: ...                   # num_threads.c
 *     def get_num_threads() -> int: ...
 *     def as_array(obj, name: str, dtype: str | None = None, /) -> numpy.ndarray: ...
 *     def arrays_are_in(obj, /) -> bool: ...
 *     def stream_rows(rows, size: int, repeated: bool, /) -> numpy.ndarray: ...     # stream_rows.c
 *     def stream_count(n, name: str, least: int, /) -> int: ...
 *     def packed_type(cls, /) -> None: ...                          # packed_call.c
 *     def pack_padded(input, lengths, batch_first, enforce_sorted, /): ...          # packing.c
 *     def pad_packed(data, batch_sizes, unsorted_indices, batch_first, padding_value,
 *                    total_length, /): ...
 *     def simd_level() -> str: ...
 *     def simd_levels() -> dict[str, tuple[bool, bool]]: ...
 *     def simd_flavour() -> str: ...
 *     def simd_flavours() -> dict[str, bool]: ...
 *     def compiler() -> str: ...
 */
#define PYLSTM_IMPORT_ARRAY
#include "arrays.h"
#include "cell_type.h"
#include "conv_type.h"
#include "draws.h"
#include "elementwise.h"
#include "generator.h"
#include "layer_type.h"
#include "linear_type.h"
#include "lease.h"
#include "num_threads.h"
#include "packed_call.h"
#include "packing.h"
#include "rnn_type.h"
#include "stream.h"
#include "stream_rows.h"
#include "stream_type.h"
#include "test_hooks.h"

#include "../simd/dispatch.h"

#include <stdlib.h>

/* ---- Functions ---- */

PyDoc_STRVAR(
    as_array_doc,
    "as_array($module, obj, name, dtype=None, /)\n--\n\n"
    "\"obj\" as an array of real numbers, by the rules for inputs of a call.\n\n"
    "With a dtype, 'float32' or 'float64', the result is C-contiguous and of that\n"
    "dtype; with 'any', arrays of complex numbers, bools and others pass as well. No copy\n"
    "is made where none is needed. \"name\" is for error texts.");

PyDoc_STRVAR(arrays_are_in_doc,
             "arrays_are_in($module, obj, /)\n--\n\n"
             "True for a tuple or list with arrays in it, such as a pair of states.");

static PyObject *arrays_in(PyObject *module, PyObject *object)
{
    const int found = arrays_are_in(object);

    (void)module;
    return found < 0 ? NULL : PyBool_FromLong(found);
}

PyDoc_STRVAR(stream_count_doc, "stream_count($module, n, name, least, /)\n--\n\n"
                               "A number of rows as an int; what memory cannot hold is cut.");

static PyObject *stream_count(PyObject *module, PyObject *args)
{
    PyObject *object;
    const char *name;
    Py_ssize_t least, count;

    (void)module;
    if (!PyArg_ParseTuple(args, "Osn:stream_count", &object, &name, &least))
        return NULL;
    count = stream_read_count(object, name, least);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

PyDoc_STRVAR(packed_type_doc, "packed_type($module, cls, /)\n--\n\n"
                              "Tell calls which class PackedSequence is; counts once.");

PyDoc_STRVAR(simd_level_doc, "simd_level($module, /)\n--\n\n"
                             "The instruction set in use.");

static PyObject *simd_level(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(kernels_current(DTYPE_FLOAT32)->level);
}

PyDoc_STRVAR(simd_levels_doc, "simd_levels($module, /)\n--\n\n"
                              "Instruction sets by name: (built in, can run on this machine).");

static PyObject *simd_levels(PyObject *module, PyObject *unused)
{
    PyObject *levels = PyDict_New();
    const char *name;

    (void)module, (void)unused;
    for (int index = 0; levels != NULL && (name = kernels_level_name(index)) != NULL; index++) {
        PyObject *flags = Py_BuildValue("(NN)", PyBool_FromLong(kernels_level_built(index)),
                                        PyBool_FromLong(kernels_level_available(index)));
        if (flags == NULL || PyDict_SetItemString(levels, name, flags) < 0)
            Py_CLEAR(levels);
        Py_XDECREF(flags);
    }
    return levels;
}

PyDoc_STRVAR(simd_flavour_doc, "simd_flavour($module, /)\n--\n\n"
                               "How compressed weights are multiplied within the instruction set.");

static PyObject *simd_flavour(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(kernels_current_flavour());
}

PyDoc_STRVAR(simd_flavours_doc, "simd_flavours($module, /)\n--\n\n"
                                "Flavours of compressed weights in this build, and whether this\n"
                                "machine can run them.");

static PyObject *simd_flavours(PyObject *module, PyObject *unused)
{
    PyObject *flavours = PyDict_New();
    const char *name;

    (void)module, (void)unused;
    for (int index = 0; flavours != NULL && (name = kernels_flavour_name(index)) != NULL; index++) {
        PyObject *flag = PyBool_FromLong(kernels_flavour_available(index));
        if (PyDict_SetItemString(flavours, name, flag) < 0)
            Py_CLEAR(flavours);
        Py_DECREF(flag);
    }
    return flavours;
}

PyDoc_STRVAR(compiler_doc, "compiler($module, /)\n--\n\n"
                           "The C compiler that built this module.");

static PyObject *compiler(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
#if defined(__clang__)
    return PyUnicode_FromString(__VERSION__); /* names itself */
#elif defined(__GNUC__)
    return PyUnicode_FromString("GCC " __VERSION__);
#else
    return PyUnicode_FromString("unknown");
#endif
}

static PyMethodDef module_methods[] = {
    {"as_array", array_from_python, METH_VARARGS, as_array_doc},
    {"arrays_are_in", arrays_in, METH_O, arrays_are_in_doc},
    {"stream_rows", stream_rows_from_python, METH_VARARGS, stream_rows_doc},
    {"stream_count", stream_count, METH_VARARGS, stream_count_doc},
    {"packed_type", packed_set_type, METH_O, packed_type_doc},
    {"simd_level", simd_level, METH_NOARGS, simd_level_doc},
    {"simd_levels", simd_levels, METH_NOARGS, simd_levels_doc},
    {"simd_flavour", simd_flavour, METH_NOARGS, simd_flavour_doc},
    {"simd_flavours", simd_flavours, METH_NOARGS, simd_flavours_doc},
    {"compiler", compiler, METH_NOARGS, compiler_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- Loading ---- */

/* ImportError that names what a variable may be: what this machine can run. */
COLD static int error_choice(const char *variable, const char *wanted, const char *what,
                             const char *(*name_of)(int), bool (*available)(int))
{
    PyObject *choices = PyUnicode_FromString("");
    const char *name;

    for (int index = 0; choices != NULL && (name = name_of(index)) != NULL; index++) {
        const char *comma = PyUnicode_GetLength(choices) > 0 ? ", " : "";
        PyObject *before = choices;
        if (!available(index))
            continue;
        choices = PyUnicode_FromFormat("%U%s%s", before, comma, name);
        Py_DECREF(before);
    }
    if (choices != NULL)
        PyErr_Format(PyExc_ImportError,
                     "%s=%s is not %s that this machine and build of pylstm offer; choose one of "
                     "%U, or unset it for the best",
                     variable, wanted, what, choices);
    Py_XDECREF(choices);
    return -1;
}

/* Takes the instruction set from PYLSTM_SIMD, and from PYLSTM_SIMD_FLAVOUR how compressed weights are
 * multiplied. */
static int choose_kernels(void)
{
    const char *level = getenv("PYLSTM_SIMD"), *flavour = getenv("PYLSTM_SIMD_FLAVOUR");

    if (kernels_select(level) < 0)
        return error_choice("PYLSTM_SIMD", level, "an instruction set", kernels_level_name,
                            kernels_level_available);
    if (flavour != NULL && kernels_select_flavour(flavour) < 0)
        return error_choice("PYLSTM_SIMD_FLAVOUR", flavour, "a flavour of compressed weights",
                            kernels_flavour_name, kernels_flavour_available);
    return 0;
}

static int intern_names(struct module_state *module_state)
{
    static const char *const names[NAMES] = {
        [NAME_INPUT] = "input",
        [NAME_HX] = "hx",
        [NAME_OUT] = "out",
        [NAME_LENGTHS] = "lengths",
        [NAME_RESET] = "reset",
        [NAME_ROWS] = "rows",
        [NAME_CALL_IMPL] = "_call_impl",
        [NAME_FORWARD_PACKED] = "_forward_packed",
        [NAME_BATCH_SIZES] = "batch_sizes",
    };

    for (int i = 0; i < NAMES; i++)
        if ((module_state->names[i] = PyUnicode_InternFromString(names[i])) == NULL)
            return -1;
    return 0;
}

/* A heap type of this module, a new reference, also put into the module under its name. */
static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);

    if (type != NULL && PyModule_AddType(module, (PyTypeObject *)type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

/* The slot below does so from Python 3.12 on, and only where the interpreter asks for it. */
static int refuse_subinterpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        return 0;
    PyErr_SetString(PyExc_ImportError,
                    "pylstm cannot be used in a subinterpreter, because NumPy cannot");
    return -1;
}

static int module_exec(PyObject *module)
{
    struct module_state *module_state = PyModule_GetState(module);

    if (refuse_subinterpreter() < 0)
        return -1;
    import_array1(-1);
    if (choose_kernels() < 0 || intern_names(module_state) < 0 ||
        generator_seed_from_system(module_state) < 0 ||
        num_threads_from_environment(module_state) < 0)
        return -1;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        module_state->descr[dtype] = PyArray_DescrFromType(dtype_typenum((enum dtype)dtype));
        if (module_state->descr[dtype] == NULL)
            return -1;
    }
    if ((module_state->lease_type = add_type(module, &lease_type_spec, NULL)) == NULL ||
        (module_state->layer_type = add_type(module, &layer_type_spec, NULL)) == NULL ||
        (module_state->rnn_type = add_type(module, &rnn_type_spec, module_state->layer_type)) ==
            NULL ||
        (module_state->cell_type = add_type(module, &cell_type_spec, module_state->layer_type)) ==
            NULL ||
        (module_state->linear_type =
             add_type(module, &linear_type_spec, module_state->layer_type)) == NULL ||
        (module_state->conv_type = add_type(module, &conv_type_spec, module_state->layer_type)) ==
            NULL ||
        (module_state->stream_type = add_type(module, &stream_type_spec, NULL)) == NULL)
        return -1;
#ifdef PYLSTM_TEST_HOOKS
    if (PyModule_AddFunctions(module, test_hooks_methods) < 0)
        return -1;
#endif
    return PyModule_AddFunctions(module, generator_methods) < 0 ||
                   PyModule_AddFunctions(module, num_threads_methods) < 0 ||
                   PyModule_AddFunctions(module, packing_methods) < 0 ||
                   PyModule_AddFunctions(module, draws_methods) < 0 ||
                   PyModule_AddFunctions(module, elementwise_methods) < 0
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *module_state = PyModule_GetState(module);

    Py_VISIT(module_state->lease_type);
    Py_VISIT(module_state->layer_type);
    Py_VISIT(module_state->rnn_type);
    Py_VISIT(module_state->cell_type);
    Py_VISIT(module_state->linear_type);
    Py_VISIT(module_state->conv_type);
    Py_VISIT(module_state->stream_type);
    Py_VISIT(module_state->packed_type);
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
        Py_VISIT(module_state->descr[dtype]);
    return 0;
}

/* The types alone: what the last calls need, perhaps made by a finalizer while the interpreter
 * goes down, stays until module_free(). */
static int module_clear(PyObject *module)
{
    struct module_state *module_state = PyModule_GetState(module);

    Py_CLEAR(module_state->lease_type);
    Py_CLEAR(module_state->layer_type);
    Py_CLEAR(module_state->rnn_type);
    Py_CLEAR(module_state->cell_type);
    Py_CLEAR(module_state->linear_type);
    Py_CLEAR(module_state->conv_type);
    Py_CLEAR(module_state->stream_type);
    Py_CLEAR(module_state->packed_type);
    return 0;
}

static void module_free(void *module)
{
    struct module_state *module_state = PyModule_GetState(module);

    num_threads_close(module_state);
    module_clear(module);
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
        Py_CLEAR(module_state->descr[dtype]);
    for (int i = 0; i < NAMES; i++)
        Py_CLEAR(module_state->names[i]);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, SLOT_FUNCTION(module_exec)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED}, /* NumPy is not */
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "The C half of pylstm: parameters, calls and the generator.");

struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,         .m_name = "pylstm._core",
    .m_doc = module_doc,           .m_size = sizeof(struct module_state),
    .m_methods = module_methods,   .m_slots = module_slots,
    .m_traverse = module_traverse, .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&core_module); }
