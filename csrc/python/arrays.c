#include "arrays.h"

#include "errors.h"

#include "../core/fpenv.h"

#include <string.h>

/* NumPy leaves the strides of axes of length 1 undefined. */
HOT bool array_fits(PyArrayObject *array, enum dtype dtype)
{
    const npy_intp itemsize = dtype == DTYPE_FLOAT32 ? 4 : 8;
    const npy_intp *dims = PyArray_DIMS(array), *strides = PyArray_STRIDES(array);
    const int last = PyArray_NDIM(array) - 1;

    if (PyArray_TYPE(array) != dtype_typenum(dtype) || !PyArray_ISBEHAVED_RO(array) || last < 0)
        return false;
    for (int axis = 0; axis < last; axis++)
        if (dims[axis] > 1 && (strides[axis] & (itemsize - 1)) != 0)
            return false;
    /* Without features there are rows that kernels go through nevertheless, by any strides: all of an
     * empty array are undefined. */
    return dims[last] == 1 || (dims[last] != 0 && strides[last] == itemsize);
}

HOT PyArrayObject *array_new(struct module_state *module_state, enum dtype dtype, int ndim,
                             const npy_intp *dims)
{
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, dtype_descr(module_state, dtype), ndim,
                                           dims, NULL, NULL, 0, NULL);

    if (array == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) /* more than can be counted */
        PyErr_SetString(PyExc_MemoryError, "the results do not fit into memory");
    return (PyArrayObject *)array;
}

/* ---- What is refused before NumPy sees it ---- */

/* getattr with an interned name: Python caches look-ups by the name's address, and a new string
 * for each look-up would evict the names that are in use. */
static PyObject *get_attribute(PyObject *object, const char *attribute)
{
    PyObject *name = PyUnicode_InternFromString(attribute);
    PyObject *value = name == NULL ? NULL : PyObject_GetAttr(object, name);

    Py_XDECREF(name);
    return value;
}

int array_is_masked(PyObject *object)
{
    PyObject *module, *type;
    int result;

    if (!PyArray_Check(object) || PyArray_CheckExact(object))
        return 0;
    module = PyImport_ImportModule("numpy.ma");
    if (module == NULL)
        return -1;
    type = get_attribute(module, "MaskedArray");
    Py_DECREF(module);
    if (type == NULL)
        return -1;
    result = PyObject_IsInstance(object, type);
    Py_DECREF(type);
    return result;
}

PyObject *arrays_item(PyObject *object, Py_ssize_t index)
{
    PyObject *item = NULL;

#ifdef Py_GIL_DISABLED /* another thread may take it off the list at any moment */
    if (PyList_Check(object)) {
        item = PyList_GetItemRef(object, index);
        if (item == NULL)
            PyErr_Clear();
        return item;
    }
#else
    if (PyList_Check(object))
        item = index < PyList_Size(object) ? PyList_GetItem(object, index) : NULL;
#endif
    if (PyTuple_Check(object))
        item = index < PyTuple_Size(object) ? PyTuple_GetItem(object, index) : NULL;
    return Py_XNewRef(item);
}

/* Like arrays_item(), but another object is its own item 0. */
static PyObject *item_of(PyObject *object, Py_ssize_t index)
{
    if (PyList_Check(object) || PyTuple_Check(object))
        return arrays_item(object, index);
    return index == 0 ? Py_NewRef(object) : NULL;
}

/* TypeError for masked arrays and for lists of them, whose mask NumPy would drop. */
static int refuse_masked(PyObject *object, const char *name)
{
    PyObject *item;
    int masked = 0;

    for (Py_ssize_t i = 0; masked == 0 && (item = item_of(object, i)) != NULL; i++) {
        masked = array_is_masked(item);
        Py_DECREF(item);
    }
    if (masked > 0)
        error_masked(name);
    return masked == 0 ? 0 : -1;
}

/* Clears the error of an attribute that cannot be read. What is no Exception stays set, such as
 * KeyboardInterrupt. */
static void clear_exception(void)
{
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear();
}

/* True if str(getattr(object, attribute)) begins with "text"; false for a missing attribute, and
 * where an exception is set, which may be so afterwards. */
static bool attribute_reads(PyObject *object, const char *attribute, const char *text)
{
    if (PyErr_Occurred())
        return false;
    PyObject *value = get_attribute(object, attribute);
    PyObject *string = value == NULL ? NULL : PyObject_Str(value);
    const char *utf8 = string == NULL ? NULL : PyUnicode_AsUTF8AndSize(string, NULL);
    const bool result = utf8 != NULL && strncmp(utf8, text, strlen(text)) == 0;

    Py_XDECREF(value);
    Py_XDECREF(string);
    clear_exception();
    return result;
}

/* TypeError for tensors that have no NumPy view, with the method that makes one. */
static int refuse_tensor(PyObject *tensor, const char *name)
{
    const char *what, *method;

    if (attribute_reads(tensor, "is_quantized", "True"))
        what = "a quantised tensor", method = "dequantize";
    else if (!attribute_reads(tensor, "layout", "torch.strided") &&
             attribute_reads(tensor, "layout", "torch."))
        what = "a sparse tensor", method = "to_dense";
    else if (!attribute_reads(tensor, "device", "cpu") &&
             attribute_reads(tensor, "dtype", "torch."))
        what = "a tensor on another device than the CPU", method = "cpu";
    else if (attribute_reads(tensor, "dtype", "torch.bfloat16"))
        what = "a bfloat16 tensor", method = "float";
    else if (attribute_reads(tensor, "dtype", "torch.float8"))
        what = "a float8 tensor", method = "float";
    else
        return PyErr_Occurred() ? -1 : 0;
    return error_raise(PyExc_TypeError, "%s is %s, which NumPy cannot hold: pass %s.%s()", name,
                       what, name, method);
}

/* ---- Opening ---- */

/* 1 or 0; -1 on what is no Exception. */
static int has(PyObject *object, const char *attribute)
{
    PyObject *value = get_attribute(object, attribute);

    if (value == NULL) {
        clear_exception();
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_DECREF(value);
    return 1;
}

/* 1 if the object has __dlpack__ and none of the protocols that np.asarray knows, 0 if not, -1 on
 * error. */
static int is_dlpack_only(PyObject *object)
{
    static const char *const known[] = {"__array__", "__array_interface__", "__array_struct__"};
    int result = has(object, "__dlpack__");

    for (size_t i = 0; result > 0 && i < sizeof known / sizeof *known; i++) {
        const int other = has(object, known[i]);
        result = other < 0 ? -1 : !other;
    }
    return result > 0 ? !PyObject_CheckBuffer(object) : result;
}

static PyObject *from_dlpack(PyObject *object)
{
    PyObject *numpy = PyImport_ImportModule("numpy");
    PyObject *result;

    if (numpy == NULL)
        return NULL;
    /* "(O)": a tuple behind "O" alone would become the arguments. */
    result = PyObject_CallMethod(numpy, "from_dlpack", "(O)", object);
    Py_DECREF(numpy);
    return result;
}

#define NOT_ARRAY "%s must be an array or something that np.asarray takes, got %U"
/* NumPy's own text for a list with items of several shapes does not name the argument. */
#define RAGGED                                                                                     \
    "%s must be an array or something that np.asarray takes: the items of this %U have "           \
    "inhomogeneous shapes and do not make one array"

#define PACKED                                                                                     \
    "%s must be an array or something that np.asarray takes, got a packed sequence, %U: a call "   \
    "of an LSTM, a GRU or an RNN takes it as input; a cell and a stream take steps of their rows"

/* "format" takes the argument's name and that of its type. */
COLD static void error_not_array(PyObject *error, const char *format, PyObject *object,
                                 const char *name)
{
    PyObject *type = PyType_GetName(Py_TYPE(object));

    if (type != NULL)
        PyErr_Format(error, format, name, type);
    Py_XDECREF(type);
}

/* What np.asarray would make of it; TypeError where that is only an array of objects. */
static PyObject *from_anything(PyObject *object, const char *name)
{
    const int dlpack_only = is_dlpack_only(object);
    PyObject *array;
    int kind;

    if (dlpack_only != 0)
        return dlpack_only < 0 ? NULL : from_dlpack(object);
    array = PyArray_FromAny(object, NULL, 0, 0, NPY_ARRAY_ENSUREARRAY, NULL);
    if (array == NULL && (PyList_Check(object) || PyTuple_Check(object)) &&
        PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        const int packed = has(object, "batch_sizes");
        if (packed >= 0)
            error_not_array(PyExc_ValueError, packed ? PACKED : RAGGED, object, name);
    }
    if (array == NULL || PyArray_Check(object))
        return array;
    kind = PyArray_TYPE((PyArrayObject *)array);
    if (PyArray_NDIM((PyArrayObject *)array) == 0 &&
        (kind == NPY_OBJECT || kind == NPY_UNICODE || kind == NPY_STRING)) {
        Py_DECREF(array);
        error_not_array(PyExc_TypeError, NOT_ARRAY, object, name);
        return NULL;
    }
    return array;
}

PyArrayObject *array_open_other(PyObject *object, const char *name)
{
    PyObject *tensor = NULL, *array;
    int detachable;

    if (refuse_masked(object, name) < 0)
        return NULL;
    detachable = PyArray_Check(object) ? 0 : has(object, "detach");
    if (detachable < 0)
        return NULL;
    if (detachable) {
        if (refuse_tensor(object, name) < 0)
            return NULL;
        PyObject *detach = get_attribute(object, "detach");
        tensor = detach == NULL ? NULL : PyObject_CallNoArgs(detach);
        Py_XDECREF(detach);
        if (tensor == NULL)
            return NULL;
        object = tensor;
    }
    array = from_anything(object, name);
    Py_XDECREF(tensor);
    return (PyArrayObject *)array;
}

/* 1 if an item of a list is an array of at least one axis, by "ndim" or else by its length; 0 or -1
 * as arrays_are_in(). */
static int is_array(PyObject *item)
{
    PyObject *ndim;
    long axes;

    if (PyArray_Check(item))
        return PyArray_NDIM((PyArrayObject *)item) > 0;
    if (item == Py_None || PyArray_CheckAnyScalar(item))
        return 0;
    ndim = get_attribute(item, "ndim");
    axes = ndim == NULL || !PyLong_Check(ndim) ? -1 : PyLong_AsLong(ndim);
    Py_XDECREF(ndim);
    clear_exception();
    if (axes >= 0 || PyErr_Occurred())
        return PyErr_Occurred() ? -1 : axes > 0;
    if (PyObject_Size(item) >= 0)
        return 1;
    clear_exception();
    if (PyErr_Occurred())
        return -1;
    return PyNumber_Check(item) ? 0 : has(item, "__array__");
}

/* Axes of the states of a batch: a list that is nested deeper is none, whatever is in it. */
#define MOST_NESTED 3

static int find_array(PyObject *object, int depth)
{
    PyObject *item;
    int found = 0;

    for (Py_ssize_t i = 0; found == 0 && (item = arrays_item(object, i)) != NULL; i++) {
        if (!PyList_Check(item) && !PyTuple_Check(item))
            found = is_array(item);
        else if (depth < MOST_NESTED)
            found = find_array(item, depth + 1);
        Py_DECREF(item);
    }
    return found;
}

int arrays_are_in(PyObject *object) { return find_array(object, 1); }

/* ---- Values ---- */

static const char *dtype_hint(PyArrayObject *array)
{
    if (PyArray_ISBOOL(array))
        return "convert it first if truth values are meant as 0 and 1";
    if (PyArray_ISCOMPLEX(array))
        return "take its real part or its modulus";
    if (PyArray_ISOBJECT(array))
        return "a ragged list, None or Decimal gives such an array; convert it first";
    return "convert it first";
}

int array_check_real(PyArrayObject *array, const char *name)
{
    const int typenum = PyArray_TYPE(array);

    if (PyTypeNum_ISFLOAT(typenum) || PyTypeNum_ISINTEGER(typenum))
        return 0;
    return error_raise(PyExc_TypeError, "%s must hold real numbers, got dtype %S: %s", name,
                       (PyObject *)PyArray_DESCR(array), dtype_hint(array));
}

int array_fit(struct module_state *module_state, PyArrayObject **array, enum dtype dtype)
{
    PyObject *result;

    if (PyArray_SIZE(*array) > PTRDIFF_MAX / (npy_intp)sizeof(double))
        return error_raise(PyExc_MemoryError, "an array cannot be converted within memory");
    const fpenv_t saved = fpenv_enter();
    if (PyArray_SIZE(*array) == 0) /* whose strides may be any, and are contiguous to NumPy */
        result =
            (PyObject *)array_new(module_state, dtype, PyArray_NDIM(*array), PyArray_DIMS(*array));
    else
        result =
            PyArray_FromArray(*array, dtype_descr(module_state, dtype),
                              NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSUREARRAY);
    fpenv_leave(saved);
    if (result == NULL)
        return -1;
    array_release(*array);
    *array = (PyArrayObject *)result;
    return 0;
}

PyObject *array_from_python(PyObject *module, PyObject *args)
{
    struct module_state *module_state = PyModule_GetState(module);
    const char *name, *dtype = NULL;
    PyArrayObject *array;
    PyObject *object;
    int wanted = -1;

    if (!PyArg_ParseTuple(args, "Os|z:as_array", &object, &name, &dtype))
        return NULL;
    if (dtype != NULL && strcmp(dtype, "any") == 0)
        return (PyObject *)array_open(object, name);
    if (dtype != NULL && (wanted = dtype_from_name(dtype)) < 0)
        return NULL;
    array = array_open(object, name);
    if (array == NULL)
        return NULL;
    if (array_check_real(array, name) < 0 ||
        (wanted >= 0 && array_fit(module_state, &array, (enum dtype)wanted) < 0)) {
        array_release(array);
        return NULL;
    }
    return (PyObject *)array;
}
