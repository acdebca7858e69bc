#include "overlap.h"

/* How many sums are tried. Slices of one buffer take a dozen. */
#define MOST_STEPS 10000

/* The index of an axis runs from 0 to `most`, at least 1. */
struct axis {
    intptr_t stride, most; /* bytes, not negative */
};

/* The axes that have more than one element, by ascending stride. Returns how many. */
static int sorted_axes(PyArrayObject *array, struct axis *axes)
{
    int count = 0;

    for (int i = 0; i < PyArray_NDIM(array); i++) {
        const intptr_t stride = PyArray_STRIDE(array, i), most = PyArray_DIM(array, i) - 1;
        int place = count;
        if (most == 0)
            continue;
        const struct axis axis = {stride < 0 ? -stride : stride, most};
        for (; place > 0 && axes[place - 1].stride > axis.stride; place--)
            axes[place] = axes[place - 1];
        axes[place] = axis;
        count++;
    }
    return count;
}

struct region region_of(PyArrayObject *array)
{
    const uintptr_t data = (uintptr_t)PyArray_DATA(array);
    struct region region = {data, data + (uintptr_t)PyArray_ITEMSIZE(array), array};

    for (int i = 0; i < PyArray_NDIM(array); i++) {
        const npy_intp dim = PyArray_DIM(array, i), stride = PyArray_STRIDE(array, i);
        if (dim == 0)
            return (struct region){0, 0, array};
        if (stride < 0)
            region.low += (uintptr_t)(dim - 1) * (uintptr_t)stride;
        else
            region.high += (uintptr_t)(dim - 1) * (uintptr_t)stride;
    }
    return region;
}

int region_of_parameters(layer_object *layer, struct region *region)
{
    struct weights *weights = layer_weights(layer);

    if (weights == NULL)
        return -1;
    const uintptr_t low = (uintptr_t)weights->params;
    *region = (struct region){low, low + weights->nbytes, NULL};
    weights_release(weights);
    return 0;
}

/* The axes of a region as runs of bytes, whose length is in *length. Returns how many axes remain. */
static int run_axes(const struct region *region, struct axis *axes, intptr_t *length)
{
    int count, merged = 0;

    *length = (intptr_t)(region->high - region->low);
    if (region->array == NULL)
        return 0;
    *length = PyArray_ITEMSIZE(region->array);
    count = sorted_axes(region->array, axes);
    for (; merged < count && axes[merged].stride <= *length; merged++)
        *length += axes[merged].stride * axes[merged].most;
    for (int i = merged; i < count; i++)
        axes[i - merged] = axes[i];
    return count - merged;
}

static intptr_t common_divisor(intptr_t a, intptr_t b)
{
    while (b != 0) {
        const intptr_t remainder = a % b;
        a = b;
        b = remainder;
    }
    return a;
}

/* True if a sum of one multiple of each stride, up to its `most`, is in [low, high]; also where
 * *steps runs out. The strides descend. */
static bool has_sum(const struct axis *axes, int count, intptr_t low, intptr_t high, int *steps)
{
    intptr_t reach = 0, divisor = 0;

    if (low <= 0 && high >= 0)
        return true;
    if (high < 0 || count == 0)
        return false;
    for (int i = 0; i < count; i++) {
        divisor = common_divisor(axes[i].stride, divisor);
        reach += i > 0 ? axes[i].stride * axes[i].most : 0;
    }
    if (high / divisor * divisor < low)
        return false;
    const intptr_t stride = axes->stride;
    const intptr_t last = high / stride < axes->most ? high / stride : axes->most;
    for (intptr_t i = low > reach ? (low - reach + stride - 1) / stride : 0; i <= last; i++)
        if (--*steps < 0 ||
            has_sum(axes + 1, count - 1, low - i * stride, high - i * stride, steps))
            return true;
    return false;
}

bool regions_overlap_within(const struct region *a, const struct region *b)
{
    struct axis axes_a[OVERLAP_MOST_AXES] = {{0, 0}}, axes_b[OVERLAP_MOST_AXES] = {{0, 0}};
    struct axis all[2 * OVERLAP_MOST_AXES];
    intptr_t length_a, length_b, distance = (intptr_t)(a->low - b->low);
    int count = 0, steps = MOST_STEPS;

    int left_a = run_axes(a, axes_a, &length_a), left_b = run_axes(b, axes_b, &length_b);
    /* A run of a begins at a->low + sum i stride, one of b at b->low + sum j stride. With j counted
     * from its end both sums grow, and the runs meet where they do for one sum of all axes. */
    for (int i = 0; i < left_b; i++)
        distance -= axes_b[i].stride * axes_b[i].most;
    while (left_a > 0 || left_b > 0)
        all[count++] =
            left_b == 0 || (left_a > 0 && axes_a[left_a - 1].stride > axes_b[left_b - 1].stride)
                ? axes_a[--left_a]
                : axes_b[--left_b];
    return has_sum(all, count, 1 - length_a - distance, length_b - 1 - distance, &steps);
}

bool array_overlaps_itself(PyArrayObject *array)
{
    struct axis axes[OVERLAP_MOST_AXES];
    const int count = sorted_axes(array, axes);
    intptr_t reach = PyArray_ITEMSIZE(array);

    if (PyArray_SIZE(array) == 0)
        return false;
    for (int i = 0; i < count; i++) {
        if (axes[i].stride < reach)
            return true;
        reach += axes[i].stride * axes[i].most;
    }
    return false;
}
