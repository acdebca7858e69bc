/* The software FMA against the C library's fma(), which is the hardware's where there is one.
 *
 *   test_fma [--quick]
 *
 * Random bit patterns hardly ever cancel or come close to a halfway case, so most cases are
 * built: exponents that let the addend touch the product, significands with few bits set or
 * few bits clear, and addends a few steps away from the negated gemm. */
#ifndef PYLSTM_FORCE_SOFTWARE_FMA
#define PYLSTM_FORCE_SOFTWARE_FMA
#endif
#include "../../csrc/simd/fma_software.h"

#include "support.h"

#include <math.h>
#include <stdio.h>

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_f32(uint32_t a, uint32_t b, uint32_t c)
{
    float x = float_of(a), y = float_of(b), z = float_of(c);
    float expected = exact_fmaf(x, y, z), result = fma_f32(x, y, z);
    check(float_bits(result) == float_bits(expected) || (isnan(result) && isnan(expected)),
          "fma_f32(%a, %a, %a) is %a, not %a", (double)x, (double)y, (double)z, (double)result,
          (double)expected);
}

static void check_f64(uint64_t a, uint64_t b, uint64_t c)
{
    double x = fma_value(a), y = fma_value(b), z = fma_value(c);
    double expected = exact_fma(x, y, z), result = fma_f64(x, y, z);
    check(real_same(result, expected), "fma_f64(%a, %a, %a) is %a, not %a", x, y, z, result,
          expected);
    if (isfinite(x) && isfinite(y) && isfinite(z) && x != 0.0 && y != 0.0) {
        result = fma_f64_integer(x, y, z); /* the fast path would hide it from most cases */
        check(real_same(result, expected), "fma_f64_integer(%a, %a, %a) is %a, not %a", x, y, z,
              result, expected);
    }
}

/* A significand of 52 bits: random, or a few bits set, or a few clear. */
static uint64_t significand(struct random *random)
{
    uint64_t bits = 0;
    if (random_bits(random) >> 63) {
        return random_bits(random) >> 12;
    }
    for (ptrdiff_t count = random_below(random, 4); count > 0; count--) {
        bits ^= (uint64_t)1 << random_below(random, 52);
    }
    return random_bits(random) >> 63 ? bits : ~bits & (((uint64_t)1 << 52) - 1);
}

static ptrdiff_t clamp(ptrdiff_t exponent, ptrdiff_t most)
{
    return exponent < 0 ? 0 : exponent > most ? most : exponent;
}

/* Biased exponents of a, b and c: the product anywhere, c within reach of it. */
static void exponents(struct random *random, ptrdiff_t most, ptrdiff_t reach, ptrdiff_t *out)
{
    const ptrdiff_t bias = most / 2;
    const ptrdiff_t product = random_below(random, most + 2 * reach) - reach;
    out[0] = random_below(random, most + 1);
    out[1] = clamp(product - out[0] + bias, most);
    out[2] = clamp(out[0] + out[1] - bias + random_below(random, 2 * reach) - reach, most);
}

static void check_built_f64(struct random *random)
{
    uint64_t bits[3];
    ptrdiff_t exponent[3];
    exponents(random, 2046, 65, exponent);
    for (int i = 0; i < 3; i++) {
        bits[i] =
            random_bits(random) >> 63 << 63 | (uint64_t)exponent[i] << 52 | significand(random);
    }
    double negated = -(fma_value(bits[0]) * fma_value(bits[1]));
    if (random_below(random, 3) == 0 && isfinite(negated)) {
        bits[2] = fma_bits(negated) + (uint64_t)random_below(random, 5) - 2;
    }
    check_f64(bits[0], bits[1], bits[2]);
}

static void check_built_f32(struct random *random)
{
    uint32_t bits[3];
    ptrdiff_t exponent[3];
    exponents(random, 254, 32, exponent);
    for (int i = 0; i < 3; i++) {
        bits[i] = (uint32_t)(random_bits(random) >> 63) << 31 | (uint32_t)exponent[i] << 23 |
                  (uint32_t)(significand(random) >> 29);
    }
    float negated = -(float_of(bits[0]) * float_of(bits[1]));
    if (random_below(random, 3) == 0 && isfinite(negated)) {
        bits[2] = float_bits(negated) + (uint32_t)random_below(random, 5) - 2;
    }
    check_f32(bits[0], bits[1], bits[2]);
}

/* All triples of values at the borders of every path and format. */
static void check_borders(void)
{
    static const uint64_t exponent[] = {0,    1,    54,   572,  573,  574, 1023,
                                        1473, 1474, 1973, 1974, 2046, 2047};
    static const uint64_t fraction[] = {0, 1, ((uint64_t)1 << 52) - 1, (uint64_t)1 << 51,
                                        (uint64_t)1 << 26};
    enum { WIDE = 13 * 5, NARROW = 6 * 5 };
    uint64_t wide[WIDE];
    uint32_t narrow[NARROW];
    for (int i = 0; i < WIDE; i++) {
        wide[i] = exponent[i / 5] << 52 | fraction[i % 5];
    }
    for (int i = 0; i < NARROW; i++) {
        static const uint32_t narrow_exponent[] = {0, 1, 25, 127, 254, 255};
        narrow[i] = narrow_exponent[i / 5] << 23 | (uint32_t)(fraction[i % 5] >> 29 | (i % 5 == 1));
    }
    for (int i = 0; i < WIDE * WIDE * WIDE; i++) {
        uint64_t a = wide[i % WIDE], b = wide[i / WIDE % WIDE], c = wide[i / WIDE / WIDE];
        check_f64(a, b, c);
        check_f64(a | (uint64_t)1 << 63, b, c);
    }
    for (int i = 0; i < NARROW * NARROW * NARROW; i++) {
        uint32_t a = narrow[i % NARROW], b = narrow[i / NARROW % NARROW];
        check_f32(a, b, narrow[i / NARROW / NARROW]);
        check_f32(a | (uint32_t)1 << 31, b, narrow[i / NARROW / NARROW]);
    }
}

int main(int argc, char **argv)
{
    const long count = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 200000 : 30000000;
    struct random random = random_seed(1);

    case_begin("borders");
    check_borders();
    case_begin("random bits");
    for (long i = 0; i < count; i++) {
        uint64_t a = random_bits(&random), b = random_bits(&random), c = random_bits(&random);
        check_f64(a, b, c);
        check_f32((uint32_t)(a >> 32), (uint32_t)(b >> 32), (uint32_t)(c >> 32));
    }
    case_begin("built cases");
    for (long i = 0; i < count; i++) {
        check_built_f64(&random);
        check_built_f32(&random);
    }
    return check_summary("test_fma");
}
