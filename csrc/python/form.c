#include "form.h"

#include "dtype.h"
#include "errors.h"

#include "../simd/dispatch.h"

#include <string.h>

/* The storage with a name; STORAGE_FLOAT for others. */
static enum storage find_storage(const char *name)
{
    enum storage storage = STORAGES;

    while (--storage > STORAGE_FLOAT && strcmp(storage_formats[storage].name, name) != 0)
        ;
    return storage;
}

const struct rnn_kernels *form_kernels(const char *dtype, const char *weights)
{
    const int found = dtype_from_name(dtype);
    const enum storage storage = weights == NULL ? STORAGE_FLOAT : find_storage(weights);

    if (found < 0)
        return NULL;
    if (weights == NULL)
        return kernels_current((enum dtype)found);
    if (storage == STORAGE_FLOAT)
        error_raise(PyExc_ValueError, "there are no weights called '%s'", weights);
    else if (found != DTYPE_FLOAT32)
        error_raise(PyExc_ValueError, "%s weights are those of a float32 module, got %s", weights,
                    dtype);
    else
        return kernels_current_storage(storage);
    return NULL;
}

const struct rnn_kernels *form_kernels_of(const char *form)
{
    return find_storage(form) == STORAGE_FLOAT ? form_kernels(form, NULL)
                                               : form_kernels("float32", form);
}
