/* Storages: how the weights of a network are kept and packed.
 *
 * A storage is a table of kernels (dispatch.h: kernels_for_storage): the same functions on the same
 * structs as those of float weights, so that nothing above the kernels branches on it but what
 * reserves memory. Values, states, biases, peepholes and results are float32 throughout.
 *
 * bfloat16, float16: the weights are widened in registers. The bits of a result are those of the
 * network of float32 weights of these values.
 *
 * int8, int8-fast, int16: the contract for one row of a part (x and weight_ih, h and weight_hh, an
 * unprojected h and weight_hr), each operation rounded to float32:
 *
 *   weights   q_w[j, k] = rint(w[j, k] / scale_w[j]), |q_w| <= limit, 0 where scale_w[j] is 0
 *   values    m = max |v[k]|, A = storage_reach()
 *             rows that may not pass 1 and have m <= 1:   scale_v = 1 / A, q_v[k] = rint(v[k] A)
 *             other rows: scale_v = m / A, q_v[k] = rint(v[k] (A / m)), 0 where m is 0; where m is
 *                         below 2^-60, of v 2^64 and m 2^64 instead of v and m in q_v
 *             a row with a NaN or an infinity: scale_v is NaN
 *   sums      for each `sum_terms` terms, ascending:  S = sum q_w q_v, exact;
 *             total = fma(float(S), scale_v scale_w[j], total)
 *
 * rint rounds ties to even. Each of these is a function of one row's values: no bit depends on other
 * rows, on where a sequence is cut, or on the level. Where h is NULL +0 is added, which S = 0 does too.
 * Rows that may not pass 1 are h of cells whose activation is bounded, h before a projection, r h, and
 * the inputs of layers behind such a layer without dropout (network.c).
 *
 * Of int8, x has two planes, A = 8191, and h one, A = 127; of int8-fast both have one. A plane is a byte
 * of each integer: q = 128 high + low with -64 <= low < 64, and S = 128 S_high + S_low, so that one
 * kernel of bytes serves both. S and what it is made of stay within 31 bits: 8191 127 2048 < 2^31. Of
 * int16, A = 8191, and the scale of a row keeps sum |q_w| over each 256 terms below
 * 2^31 / 8191 - 128 (core/compress.h).
 *
 * Packed, a panel of `lanes` units is rows of PANEL_VECTORS * lanes elements of four bytes, so that it
 * is laid out as one of floats of another depth, storage_packed_depth():
 *
 *   int8      scales; for each sum -128 sum q_w, as int32; [depth / 4][vector][lane][4], zero padded
 *   int16     scales; [depth / 2][vector][lane][2], zero padded
 *   bfloat16  [depth][pair of vectors][lane][2], padded to an even depth
 *   float16   [depth][vector][lane], padded to an even depth
 *
 * Levels whose multiplication takes unsigned bytes keep q_v + 128, and begin at -128 sum q_w; others
 * begin at 0. Sums wrap modulo 2^32 on the way and end right: saturating instructions must not be used.
 */
#ifndef PYLSTM_SIMD_STORAGE_H
#define PYLSTM_SIMD_STORAGE_H

#include "kernels.h"

#include <stdint.h>
#include <string.h>

struct storage_format {
    const char *name;    /* as module.weights says it */
    size_t itemsize;     /* of a stored weight; 0: that of the dtype */
    ptrdiff_t terms;     /* weights of a column in one element of the packed copy */
    ptrdiff_t sum_terms; /* of one exact sum of integers; 0: the weights are floats */
    int limit;           /* the most |q_w| */
    int planes_x, planes_h;
};

/* Terms of an exact sum of bytes and of words. */
enum { STORAGE_BYTES_SUM = 2048, STORAGE_WORDS_SUM = 256 };

extern const struct storage_format storage_formats[STORAGES];

/* True if the weights are integers, with a scale for each row. */
static inline bool storage_is_integer(const struct storage_format *format)
{
    return format->sum_terms != 0;
}

/* True if a start is packed for each sum. */
static inline bool storage_has_starts(const struct storage_format *format)
{
    return format->sum_terms != 0 && format->itemsize == 1;
}

/* Bytes of a weight in torch's layout. */
static inline size_t storage_itemsize(const struct rnn_kernels *kernels)
{
    return kernels->storage->itemsize ? kernels->storage->itemsize : kernels->itemsize;
}

/* storage_packed_depth() of the fields of a format: whether rows have scales, and the terms of a start,
 * 0 where there are none. */
static inline ptrdiff_t storage_depth(ptrdiff_t terms, bool scaled, ptrdiff_t start_terms,
                                      ptrdiff_t depth)
{
    const ptrdiff_t starts = start_terms ? (depth + start_terms - 1) / start_terms : 0;

    return scaled + starts + (depth + terms - 1) / terms;
}

/* Elements of a column of a packed matrix whose rows have `depth` weights. */
static inline ptrdiff_t storage_packed_depth(const struct storage_format *format, ptrdiff_t depth)
{
    if (format->terms == 1) /* before the divisions, which a call would feel */
        return depth;
    return storage_depth(format->terms, storage_is_integer(format),
                         storage_has_starts(format) ? format->sum_terms : 0, depth);
}

/* A row of values as integers: this, then from STORAGE_ROW_HEADER bytes on its planes. */
struct integer_row {
    float scale;
    int32_t planes;
};
enum { STORAGE_ROW_HEADER = 64 };

/* Bytes of a plane: `itemsize` is that of an integer in it. */
static inline ptrdiff_t storage_plane_size(ptrdiff_t depth, ptrdiff_t itemsize)
{
    return (depth * itemsize + 63) / 64 * 64;
}

/* Elements from a row of values as integers to the next, where a row is that long. */
static inline ptrdiff_t storage_row_stride(ptrdiff_t itemsize, ptrdiff_t depth, int planes)
{
    return (STORAGE_ROW_HEADER + planes * storage_plane_size(depth, itemsize)) /
           (ptrdiff_t)sizeof(float);
}

/* Bytes of a row of values as integers; 0 where the weights are floats. */
static inline ptrdiff_t storage_row_size(const struct storage_format *format, ptrdiff_t depth,
                                         int planes)
{
    if (!storage_is_integer(format))
        return 0;
    return (ptrdiff_t)sizeof(float) *
           storage_row_stride((ptrdiff_t)format->itemsize, depth, planes);
}

/* A: the most |q_v|. */
static inline float storage_reach(ptrdiff_t itemsize, int planes)
{
    return itemsize == 1 && planes == 1 ? 127.0F : 8191.0F;
}

/* rint() of a value within 2^22, in the default floating-point environment. */
static inline int32_t storage_rint(float value)
{
    const float magic = 12582912.0F; /* 3 2^22: the sum has no digits behind the point */

    return (int32_t)((value + magic) - magic);
}

static inline float storage_float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bits of magnitudes. */
enum { STORAGE_ONE = 0x3f800000, STORAGE_INFINITY = 0x7f800000, STORAGE_NAN = 0x7fc00000 };

static inline int32_t storage_magnitude(float value)
{
    int32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffff;
}

/* The values of floats of 16 bits. */
static inline float storage_from_bfloat16(uint16_t half)
{
    return storage_float_of((uint32_t)half << 16);
}

static inline float storage_from_float16(uint16_t half)
{
    const uint32_t sign = (half & 0x8000U) << 16, size = half & 0x7fffU;

    if (size < 0x400) { /* size 2^-24: subnormal */
        const float value = (float)size * 5.9604644775390625e-8F;
        return sign ? -value : value;
    }
    return storage_float_of(sign | ((size << 13) + (size < 0x7c00 ? 112U << 23 : 224U << 23)));
}

/* struct rnn_kernels.pack of the storages. The rows of the panel are stored weights; every lane count
 * is served. */
bool storage_pack_int8(const struct panel *panel, void *packed);
bool storage_pack_int16(const struct panel *panel, void *packed);
bool storage_pack_bfloat16(const struct panel *panel, void *packed);
bool storage_pack_float16(const struct panel *panel, void *packed);

#endif
