#include "compress.h"

#include "fpenv.h"

#include <string.h>

/* The most that sum |q| over sum_terms terms of int16 may be: 8191 of it is below 2^31. */
enum { MOST_INT16_SUM = 0x7fffffff / 8191 };
/* Of sum |w| / scale: rounding adds at most 1/2 to each of 256 terms, and the division its own. */
#define MOST_INT16_QUOTIENTS (2147483647.0 / 8191.0 - 256.0)

/* Of weights of integer storages: an integer that was rounded up stands for 1/2046 more at most, which
 * float32 still holds. */
#define MOST_INTEGER 3.4e38F
#define MOST_BFLOAT16 3.3895313892515355e38F
#define MOST_FLOAT16 65504.0F

static float absolute(float value) { return value < 0 ? -value : value; }

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A scale rounded to float32: up where it is subnormal and digits are lost, so that no quotient passes
 * the limit and no sum of quotients its bound. */
static float rounded_scale(double exact)
{
    float scale = (float)exact;
    uint32_t bits = bits_of(scale);

    if (scale < 0x1p-126F && (double)scale < exact) {
        bits++;
        memcpy(&scale, &bits, sizeof scale);
    }
    return scale;
}

/* The scale of a row of finite weights. */
static float scale_of(const struct storage_format *format, const float *weights, ptrdiff_t depth)
{
    float most = 0;
    double sums = 0; /* the largest of 256 terms */

    for (ptrdiff_t k = 0; k < depth; k++)
        most = absolute(weights[k]) > most ? absolute(weights[k]) : most;
    for (ptrdiff_t first = 0; format->itemsize == 2 && first < depth; first += format->sum_terms) {
        double sum = 0;
        for (ptrdiff_t k = first; k < depth && k < first + format->sum_terms; k++)
            sum += (double)absolute(weights[k]);
        sums = sum > sums ? sum : sums;
    }
    const double scale = (double)most / format->limit, bound = sums / MOST_INT16_QUOTIENTS;
    return rounded_scale(bound > scale ? bound : scale);
}

static void put_integer(const struct storage_format *format, void *stored, ptrdiff_t at, int32_t q)
{
    if (format->itemsize == 1)
        ((int8_t *)stored)[at] = (int8_t)q;
    else
        ((int16_t *)stored)[at] = (int16_t)q;
}

static int32_t get_integer(const struct storage_format *format, const void *stored, ptrdiff_t at)
{
    return format->itemsize == 1 ? ((const int8_t *)stored)[at] : ((const int16_t *)stored)[at];
}

static bool compress_integers(const struct storage_format *format, const float *weights,
                              ptrdiff_t rows, ptrdiff_t depth, void *stored, float *scales)
{
    for (ptrdiff_t row = 0; row < rows; row++, weights += depth) {
        bool held = true;
        for (ptrdiff_t k = 0; k < depth; k++)
            held &= absolute(weights[k]) <= MOST_INTEGER; /* no NaN is */
        if (!held)
            return false;
        const float scale = scales[row] = scale_of(format, weights, depth);
        for (ptrdiff_t k = 0; k < depth; k++)
            put_integer(format, stored, row * depth + k,
                        scale > 0 ? storage_rint(weights[k] / scale) : 0);
    }
    return true;
}

/* Rounds to nearest, ties to even; a NaN stays one. */
static uint16_t to_bfloat16(float value)
{
    const uint32_t bits = bits_of(value);

    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The same of a value that float16 holds. */
static uint16_t to_float16(float value)
{
    const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000;
    const float size = absolute(value);

    if (value != value)
        return (uint16_t)(sign | 0x7e00);
    if (size > MOST_FLOAT16)
        return (uint16_t)(sign | 0x7c00);
    if (size <
        6.103515625e-5F) /* 2^-14: subnormal, a multiple of 2^-24, which a sum with 1/2 leaves */
        return (uint16_t)(sign | (bits_of(size + 0.5F) - bits_of(0.5F)));
    const uint32_t wide = bits_of(size) - (112U << 23);
    return (uint16_t)(sign | (wide + 0xfff + (wide >> 13 & 1)) >> 13);
}

bool storage_compress(enum storage storage, const float *weights, ptrdiff_t rows, ptrdiff_t depth,
                      void *stored, float *scales)
{
    const struct storage_format *format = &storage_formats[storage];
    const fpenv_t saved = fpenv_enter();
    bool held = true;

    if (storage_is_integer(format)) {
        held = compress_integers(format, weights, rows, depth, stored, scales);
    } else {
        for (ptrdiff_t i = 0; i < rows * depth; i++) {
            const float size = absolute(weights[i]);
            const float most = storage == STORAGE_BFLOAT16 ? MOST_BFLOAT16 : MOST_FLOAT16;
            held &= !(size > most) || size - size != 0;
            ((uint16_t *)stored)[i] =
                storage == STORAGE_BFLOAT16 ? to_bfloat16(weights[i]) : to_float16(weights[i]);
        }
    }
    fpenv_leave(saved);
    return held;
}

void storage_widen(enum storage storage, const void *stored, const float *scales, ptrdiff_t rows,
                   ptrdiff_t depth, float *weights)
{
    const struct storage_format *format = &storage_formats[storage];
    const fpenv_t saved = fpenv_enter();

    for (ptrdiff_t i = 0; i < rows * depth; i++) {
        if (storage_is_integer(format)) {
            weights[i] = (float)get_integer(format, stored, i) * scales[i / depth];
        } else {
            const uint16_t half = ((const uint16_t *)stored)[i];
            weights[i] = storage == STORAGE_BFLOAT16 ? storage_from_bfloat16(half)
                                                     : storage_from_float16(half);
        }
    }
    fpenv_leave(saved);
}

/* True if no integer of a row passes the limit, no sum of int16 its bound, and the scale makes a finite
 * number of each. */
static bool is_row_sound(const struct storage_format *format, const void *stored, ptrdiff_t first,
                         ptrdiff_t depth, float scale)
{
    int32_t most = 0;

    for (ptrdiff_t k = 0, sum = 0; k < depth; k++) {
        const int32_t q = get_integer(format, stored, first + k), size = q < 0 ? -q : q;
        sum = k % format->sum_terms == 0 ? size : sum + size;
        most = size > most ? size : most;
        if (size > format->limit || (format->itemsize == 2 && sum > MOST_INT16_SUM))
            return false;
    }
    const float product = scale * (float)most;
    return scale >= 0 && scale - scale == 0 && product - product == 0;
}

bool storage_is_sound(enum storage storage, const void *stored, const float *scales, ptrdiff_t rows,
                      ptrdiff_t depth)
{
    const struct storage_format *format = &storage_formats[storage];
    const fpenv_t saved = fpenv_enter();
    bool sound = true;

    for (ptrdiff_t row = 0; sound && storage_is_integer(format) && row < rows; row++)
        sound = is_row_sound(format, stored, row * depth, depth, scales[row]);
    fpenv_leave(saved);
    return sound;
}
