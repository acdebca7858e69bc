/* The activation max(x, 0): NaN stays, and of both zeros comes +0. */
#ifndef PYLSTM_CORE_RELU_H
#define PYLSTM_CORE_RELU_H

#include <stddef.h>

/* out[i] = max(x[i], 0), i < count; `out` may be x. */
void relu_f32(const float *x, float *out, ptrdiff_t count);
void relu_f64(const double *x, double *out, ptrdiff_t count);

#endif
