#include "relu.h"

void relu_f32(const float *x, float *out, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        out[i] = x[i] <= 0 ? 0 : x[i];
}

void relu_f64(const double *x, double *out, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        out[i] = x[i] <= 0 ? 0 : x[i];
}
