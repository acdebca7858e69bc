#include "reference_storage.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>

static float rounded(double value) { return (float)real_round(DTYPE_FLOAT32, value); }

/* libm's own, in the default rounding mode: ties to even. */
static double integer_of(float value) { return nearbyint((double)value); }

/* |value| of 16 bits: a multiple of the step of its exponent, of which the smallest is given. */
static double round_to(double value, int digits, int least)
{
    int exponent;

    frexp(value, &exponent);
    exponent = exponent - digits < least ? least : exponent - digits;
    return ldexp(nearbyint(ldexp(value, -exponent)), exponent);
}

double reference_weight(enum storage storage, double value)
{
    if (value - value != 0.0 || value == 0.0) {
        return value;
    }
    return storage == STORAGE_BFLOAT16 ? round_to(value, 8, -133) : round_to(value, 11, -24);
}

/* Rounded to float32: to the nearest, or up to the next subnormal. */
static float scale_at_least(double exact)
{
    return exact < 0x1p-126 ? (float)ldexp(ceil(ldexp(exact, 149)), -149) : rounded(exact);
}

/* Quantises a row of weights to "q" and returns its scale. */
static float quantise_weights(enum storage storage, const double *w, ptrdiff_t depth, double *q)
{
    const double limit = storage == STORAGE_INT16 ? 32767.0 : 127.0;
    double most = 0.0;

    for (ptrdiff_t k = 0; k < depth; k++) {
        most = fmax(most, fabs(w[k]));
    }
    float scale = scale_at_least(most / limit);
    for (ptrdiff_t first = 0; storage == STORAGE_INT16 && first < depth; first += 256) {
        double sum = 0.0;
        for (ptrdiff_t k = first; k < depth && k < first + 256; k++) {
            sum += fabs(w[k]);
        }
        scale = fmaxf(scale, scale_at_least(sum / (2147483647.0 / 8191.0 - 256.0)));
    }
    for (ptrdiff_t k = 0; k < depth; k++) {
        q[k] = scale > 0.0F ? integer_of(rounded(w[k] / (double)scale)) : 0.0;
    }
    return scale;
}

/* Quantises a row of values to "q" and returns its scale. */
static float quantise_values(double reach, bool bounded, const double *v, ptrdiff_t depth,
                             double *q)
{
    double most = 0.0;

    for (ptrdiff_t k = 0; k < depth; k++) {
        if (v[k] - v[k] != 0.0) {
            return NAN;
        }
        most = fmax(most, fabs(v[k]));
    }
    const bool fixed = bounded && most <= 1.0;
    const double up = !fixed && most < 0x1p-60 ? 0x1p64 : 1.0;
    const float by = fixed ? (float)reach : most > 0.0 ? rounded(reach / (most * up)) : 0.0F;
    for (ptrdiff_t k = 0; k < depth; k++) {
        q[k] = integer_of(rounded(v[k] * up * (double)by));
    }
    return rounded(fixed ? 1.0 / reach : most / reach);
}

void reference_add_integers(enum storage storage, bool is_x, bool bounded, const double *w,
                            const double *v, ptrdiff_t rows, ptrdiff_t depth, double *total)
{
    const bool wide = storage == STORAGE_INT16 || (storage == STORAGE_INT8 && is_x);
    const ptrdiff_t terms = storage == STORAGE_INT16 ? 256 : 2048;
    double *q_w = must_allocate((size_t)(2 * depth), sizeof *q_w), *q_v = q_w + depth;
    const float scale_v = quantise_values(wide ? 8191.0 : 127.0, bounded, v, depth, q_v);

    for (ptrdiff_t row = 0; row < rows; row++, w += depth) {
        const float scale = scale_v * quantise_weights(storage, w, depth, q_w);
        for (ptrdiff_t first = 0; first < depth; first += terms) {
            double sum = 0.0; /* exact */
            for (ptrdiff_t k = first; k < depth && k < first + terms; k++) {
                sum += q_w[k] * q_v[k];
            }
            check(fabs(sum) < 0x1p31, "a sum of integers is %g", sum);
            total[row] = (double)exact_fmaf(rounded(sum), scale, (float)total[row]);
        }
    }
    free(q_w);
}
