/* The activation x (1 + erf(x / sqrt(2))) / 2, in plain IEEE arithmetic: the same bits on every machine,
 * whatever stands beside a number. */
#ifndef PYLSTM_CORE_GELU_H
#define PYLSTM_CORE_GELU_H

#include <stddef.h>

/* out[i] = f(x[i]), i < count; `out` may be x. float32 is computed in float64 and rounded once. */
void gelu_f32(const float *x, float *out, ptrdiff_t count);
void gelu_f64(const double *x, double *out, ptrdiff_t count);

#endif
