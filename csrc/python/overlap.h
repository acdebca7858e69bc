/* Whether arrays share memory: exactly, for arrays of few axes, of any dtype and with any strides.
 *
 * Like numpy.shares_memory(), but makes no object and runs no code of others.
 */
#ifndef PYLSTM_PYTHON_OVERLAP_H
#define PYLSTM_PYTHON_OVERLAP_H

#include "layer.h"

/* More than any array of a call that has passed the checks of ranks. */
#define OVERLAP_MOST_AXES 3

/* Memory between two addresses: all of it, or what an array has of it. */
struct region {
    uintptr_t low, high;  /* [low, high); both 0 where it is empty */
    PyArrayObject *array; /* borrowed; NULL: all */
};

/* The memory of an array of at most OVERLAP_MOST_AXES axes. */
struct region region_of(PyArrayObject *array);
/* The memory of the parameters of a layer. -1 on failure. */
int region_of_parameters(layer_object *layer, struct region *region);
/* Like regions_overlap(), for regions whose bounds overlap. */
bool regions_overlap_within(const struct region *a, const struct region *b);
/* True unless no byte is in both. Also true where that takes too many steps to find out, which no
 * array does that slices of one buffer make. */
static inline bool regions_overlap(const struct region *a, const struct region *b)
{
    return a->low < b->high && b->low < a->high && regions_overlap_within(a, b);
}
/* True if two elements may be at one address: unless every axis steps over all that the axes of
 * smaller strides reach. */
bool array_overlaps_itself(PyArrayObject *array);

#endif
