/* The fused multiply-add of the numeric contract, for code that runs on any machine.
 *
 * fma_f32() and fma_f64() return a*b + c rounded once, to nearest even, for every input.
 * Where the compiler has the instruction without further flags they are that instruction;
 * elsewhere they are exact software, because a C library's fma() may be slow, inexact, or
 * changed under us. The software needs the default floating-point environment, and plain
 * IEEE arithmetic: no excess precision, no contraction, no fast-math.
 *
 * PYLSTM_FORCE_SOFTWARE_FMA selects the software everywhere; the tests use it.
 */
#ifndef PYLSTM_SIMD_FMA_SOFTWARE_H
#define PYLSTM_SIMD_FMA_SOFTWARE_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD != 0
#error "float and double must be evaluated in their own precision (FLT_EVAL_METHOD 0)"
#endif

#if !defined(PYLSTM_FORCE_SOFTWARE_FMA) && (defined(__aarch64__) || defined(__FMA__) ||            \
                                            (defined(__FP_FAST_FMAF) && defined(__FP_FAST_FMA)))

static inline float fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

static inline double fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }

#else

static inline uint64_t fma_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double fma_value(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* a + b = *sum + *error exactly (Knuth), whatever the magnitudes, short of overflow. */
static inline void fma_two_sum(double a, double b, double *sum, double *error)
{
    double s = a + b;
    double b_part = s - a;
    double a_part = s - b_part;
    *error = (a - a_part) + (b - b_part);
    *sum = s;
}

/* a + b rounded to odd: an inexact sum becomes that neighbour whose last bit is 1, so that
 * it can be rounded once more, to fewer bits, without a double rounding error.
 * Infinite and NaN sums stay as they are: their error is NaN, which is neither side of zero. */
static inline double fma_add_odd(double a, double b)
{
    double sum, error;
    fma_two_sum(a, b, &sum, &error);
    uint64_t bits = fma_bits(sum);
    uint64_t inexact = (uint64_t)((error > 0.0) | (error < 0.0));
    uint64_t inwards = (uint64_t)((error > 0.0) != (sum > 0.0));
    uint64_t move = inexact & ~bits & 1;
    return fma_value(bits + move - 2 * (move & inwards));
}

/* The product is exact in double, and 53 bits are more than 24 + 2: one rounding to odd,
 * then one to nearest, subnormal results included. */
static inline float fma_f32(float a, float b, float c)
{
    return (float)fma_add_odd((double)a * (double)b, (double)c);
}

/* high + low = a exactly, each with at most 26 bits (Veltkamp). */
static inline void fma_split(double a, double *high, double *low)
{
    double scaled = a * 134217729.0; /* 2^27 + 1 */
    *high = scaled - (scaled - a);
    *low = a - *high;
}

/* A 128-bit unsigned integer, for compilers and targets without one. */
struct fma_wide {
    uint64_t high, low;
};

static inline struct fma_wide fma_multiply(uint64_t a, uint64_t b)
{
    uint64_t a1 = a >> 32, a0 = a & UINT32_MAX;
    uint64_t b1 = b >> 32, b0 = b & UINT32_MAX;
    uint64_t low = a0 * b0;
    uint64_t mid = a1 * b0 + (low >> 32);
    uint64_t mid2 = a0 * b1 + (mid & UINT32_MAX);
    struct fma_wide product = {a1 * b1 + (mid >> 32) + (mid2 >> 32),
                               (mid2 << 32) | (low & UINT32_MAX)};
    return product;
}

static inline struct fma_wide fma_shift_left(struct fma_wide a, int count)
{
    if (count >= 64) {
        struct fma_wide far = {a.low << (count - 64), 0};
        return far;
    }
    if (count > 0) {
        a.high = (a.high << count) | (a.low >> (64 - count));
        a.low <<= count;
    }
    return a;
}

/* Shifts right; a set bit that falls out is remembered in the last bit ("sticky"). */
static inline struct fma_wide fma_shift_right(struct fma_wide a, int count)
{
    uint64_t lost = 0;
    if (count >= 128) {
        struct fma_wide gone = {0, (uint64_t)((a.high | a.low) != 0)};
        return gone;
    }
    if (count >= 64) {
        lost = a.low;
        a.low = a.high;
        a.high = 0;
        count -= 64;
    }
    if (count > 0) {
        lost |= a.low << (64 - count);
        a.low = (a.low >> count) | (a.high << (64 - count));
        a.high >>= count;
    }
    a.low |= (uint64_t)(lost != 0);
    return a;
}

static inline struct fma_wide fma_subtract(struct fma_wide a, struct fma_wide b)
{
    struct fma_wide difference = {a.high - b.high - (a.low < b.low), a.low - b.low};
    return difference;
}

static inline int fma_leading_zeros(struct fma_wide a)
{
    int count = 0;
    while (!(a.high >> 63)) { /* never called with zero */
        int step = a.high == 0 ? 64 : (a.high >> 32) == 0 ? 32 : (a.high >> 56) == 0 ? 8 : 1;
        a = fma_shift_left(a, step);
        count += step;
    }
    return count;
}

/* |value| = significand * 2^exponent; zero has significand 0 and the lowest exponent. */
static inline uint64_t fma_unpack(uint64_t bits, int *exponent)
{
    int biased = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    *exponent = (biased ? biased : 1) - 1075;
    return biased ? fraction | (uint64_t)1 << 52 : fraction;
}

/* Rounds magnitude * 2^exponent to nearest even; the last bit of "magnitude" may be sticky. */
static inline double fma_round(uint64_t sign, struct fma_wide magnitude, int exponent)
{
    int zeros = fma_leading_zeros(magnitude);
    magnitude = fma_shift_left(magnitude, zeros);
    int biased = exponent - zeros + 127 + 1023; /* of a significand whose top bit is 127 */
    if (biased >= 2047)
        return fma_value(sign | (uint64_t)0x7ff << 52);
    int drop = 128 - 53;
    if (biased < 1) { /* subnormal: the last bit stays at 2^-1074 */
        int deeper = 1 - biased;
        magnitude = fma_shift_right(magnitude, deeper);
        biased = 1;
    }
    uint64_t kept = magnitude.high >> (drop - 64);
    uint64_t half = (uint64_t)1 << (drop - 65);
    uint64_t tail = magnitude.high & (2 * half - 1);
    uint64_t below = (uint64_t)(magnitude.low != 0);
    kept += (uint64_t)(tail > half || (tail == half && (below | (kept & 1))));
    /* The implicit bit of "kept" adds the missing 1 to the exponent field; so does a carry. */
    return fma_value(sign | (((uint64_t)(biased - 1) << 52) + kept));
}

/* Any finite operands with a, b not zero, in integers. Both terms are brought to a frame of
 * 126 bits. Bits are lost in aligning only where the exponents are so far apart that at most
 * two leading bits can cancel, and then a sticky bit decides as well as the lost ones. */
static inline double fma_f64_integer(double a, double b, double c)
{
    int exponent_a, exponent_b, exponent;
    uint64_t sign_c = fma_bits(c) & (uint64_t)1 << 63;
    uint64_t sign = (fma_bits(a) ^ fma_bits(b)) & (uint64_t)1 << 63;
    uint64_t significand_a = fma_unpack(fma_bits(a), &exponent_a);
    uint64_t significand_b = fma_unpack(fma_bits(b), &exponent_b);
    struct fma_wide big = fma_multiply(significand_a, significand_b);
    int shift = fma_leading_zeros(big) - 2;
    big = fma_shift_left(big, shift);
    int exponent_big = exponent_a + exponent_b - shift;

    struct fma_wide small = {0, fma_unpack(fma_bits(c), &exponent)};
    if (small.low == 0)
        return fma_round(sign, big, exponent_big);
    shift = fma_leading_zeros(small) - 2;
    small = fma_shift_left(small, shift);
    exponent -= shift;

    if (exponent > exponent_big || (exponent == exponent_big && small.high > big.high)) {
        struct fma_wide other = big;
        int other_exponent = exponent_big;
        uint64_t other_sign = sign;
        big = small, exponent_big = exponent, sign = sign_c;
        small = other, exponent = other_exponent, sign_c = other_sign;
    }
    small = fma_shift_right(small, exponent_big - exponent);
    if (sign == sign_c) {
        big.low += small.low;
        big.high += small.high + (uint64_t)(big.low < small.low);
        return fma_round(sign, big, exponent_big);
    }
    if (big.high == small.high && big.low < small.low) {
        struct fma_wide other = big;
        big = small, small = other, sign = sign_c;
    }
    big = fma_subtract(big, small);
    return (big.high | big.low) ? fma_round(sign, big, exponent_big) : 0.0;
}

/* Everything the fast path cannot do: zeros, infinities, NaN, and extreme exponents. */
static inline double fma_f64_rare(double a, double b, double c)
{
    const uint64_t infinity = (uint64_t)0x7ff << 52;
    uint64_t bits_a = fma_bits(a) & ~((uint64_t)1 << 63);
    uint64_t bits_b = fma_bits(b) & ~((uint64_t)1 << 63);
    uint64_t bits_c = fma_bits(c) & ~((uint64_t)1 << 63);
    if (bits_a == 0 || bits_b == 0 || bits_a >= infinity || bits_b >= infinity)
        return a * b + c; /* the product is exact */
    if (bits_c >= infinity)
        return c + c; /* the finite product might overflow on the way */
    return fma_f64_integer(a, b, c);
}

/* Exact product as an unevaluated sum (Dekker), then the three-term sum of Boldo and
 * Melquiond, "Emulation of FMA and correctly rounded sums" (IEEE Trans. Comput. 57, 2008),
 * valid while |a| and |b| are in [2^-450, 2^451) and |c| < 2^951: nothing overflows, and
 * the low half of the product, a multiple of 2^-1004, does not underflow. */
static inline double fma_f64(double a, double b, double c)
{
    const uint64_t lowest = 1023 - 450, span = 901, highest_c = 1023 + 951;
    uint64_t biased_a = fma_bits(a) >> 52 & 0x7ff;
    uint64_t biased_b = fma_bits(b) >> 52 & 0x7ff;
    uint64_t biased_c = fma_bits(c) >> 52 & 0x7ff;
    if (biased_a - lowest >= span || biased_b - lowest >= span || biased_c >= highest_c)
        return fma_f64_rare(a, b, c);
    double a_high, a_low, b_high, b_low;
    fma_split(a, &a_high, &a_low);
    fma_split(b, &b_high, &b_low);
    double product = a * b;
    double tail = a_high * b_high - product;
    tail = tail + a_high * b_low;
    tail = tail + a_low * b_high;
    tail = tail + a_low * b_low;

    double sum, sum_error, total, total_error;
    fma_two_sum(c, tail, &sum, &sum_error);
    fma_two_sum(product, sum, &total, &total_error);
    return total + fma_add_odd(total_error, sum_error);
}

#endif
#endif
