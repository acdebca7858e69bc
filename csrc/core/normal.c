#include "normal.h"

#include "../simd/fma_software.h"

#include <math.h>
#include <stdbool.h>

/* The Box-Muller transform on float32, with the logarithm, the sine and the cosine of the Cephes
 * library as torch's AVX2 code computes them: products are fused with the sum behind them wherever
 * the compiler of torch's wheels does so. Measured: none of 6.4 million numbers of 20 seeds differs
 * from torch 2.13. */

enum { HALF = NORMAL_GROUP / 2 };

/* ln x of a positive normal number: of x = 2^e m with m in [sqrt(1/2), sqrt(2)), a polynomial of
 * m - 1 and e ln 2, which is given in two parts. */
static float cephes_log(float x)
{
    static const float p[] = {7.0376836292e-2F,  -1.1514610310e-1F, 1.1676998740e-1F,
                              -1.2420140846e-1F, 1.4249322787e-1F,  -1.6668057665e-1F,
                              2.0000714765e-1F,  -2.4999993993e-1F, 3.3333331174e-1F};
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 126);
    bits = (bits & 0x807fffffU) | 0x3f000000U;
    float m;
    memcpy(&m, &bits, sizeof m);

    float r = m - 1.0F;
    if (m < 0.707106781186547524F) {
        e -= 1.0F;
        r += m;
    }
    const float square = r * r;
    float y = p[0];
    for (size_t i = 1; i < sizeof p / sizeof *p; i++)
        y = fma_f32(y, r, p[i]);
    y = fma_f32(y * r, square, e * -2.12194440e-4F);
    y -= square * 0.5F;
    return fma_f32(e, 0.693359375F, r + y);
}

/* Sine and cosine of x in [0, 8192): the octant, then a polynomial of what is left of x. */
static void cephes_sin_cos(float x, float *sine, float *cosine)
{
    const int octant = ((int)(x * 1.27323954473516F) + 1) & ~1;
    const float count = (float)octant;
    float r = fma_f32(count, -0.78515625F, x);
    r = fma_f32(count, -2.4187564849853515625e-4F, r);
    r = fma_f32(count, -3.77489497744594108e-8F, r);
    const float square = r * r;

    float c = fma_f32(2.443315711809948e-5F, square, -1.388731625493765e-3F);
    c = fma_f32(c, square, 4.166664568298827e-2F);
    c = fma_f32(c * square, square, -(square * 0.5F)) + 1.0F;
    float s = fma_f32(-1.9515295891e-4F, square, 8.3321608736e-3F);
    s = fma_f32(s, square, -1.6666654611e-1F);
    s = fma_f32(s * square, r, r);

    const bool is_swapped = (octant & 2) != 0;
    *sine = is_swapped ? c : s;
    *cosine = is_swapped ? s : c;
    if (octant & 4)
        *sine = -*sine;
    if (((octant - 2) & 4) == 0)
        *cosine = -*cosine;
}

/* Overwrites NORMAL_GROUP uniform numbers of [0, 1) by normal ones. */
static void transform(float *group)
{
    for (int i = 0; i < HALF; i++) {
        const float radius = sqrtf(-2.0F * cephes_log(1.0F - group[i]));
        float sine, cosine;
        cephes_sin_cos(6.283185307179586F * group[i + HALF], &sine, &cosine);
        group[i] = radius * cosine + 0.0F; /* torch adds the mean: it makes +0 of -0 */
        group[i + HALF] = radius * sine + 0.0F;
    }
}

void generator_normal_f32(struct generator *rng, float *out, ptrdiff_t count)
{
    generator_uniform_f32(rng, 0.0, 1.0, out, count);
    for (ptrdiff_t i = 0; i + NORMAL_GROUP <= count; i += NORMAL_GROUP)
        transform(out + i);
    if (count % NORMAL_GROUP != 0) {
        float *last = out + count - NORMAL_GROUP;
        generator_uniform_f32(rng, 0.0, 1.0, last, NORMAL_GROUP);
        transform(last);
    }
}
