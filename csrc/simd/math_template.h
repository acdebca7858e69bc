/* sigmoid and tanh, one fixed sequence of IEEE operations for every instruction set.
 *
 * Parameters, all macros: those of kernels_template.h (its vocabulary and REAL), with
 * REAL_IS_FLOAT 1 for float and 0 for double. Defines NAME(sigmoid), NAME(tanh).
 *
 * Both rest on e^y = s (1 + q) with y = n ln2 + r, |r| <= ln2/2, s = 2^n and
 * q = r + r^2 P(r). Coefficients: tests/c/coefficients.py. Error bounds, found by
 * tests/c/test_activations.c: float32 1.5 ulp (every float), float64 1.6 ulp.
 */
#if REAL_IS_FLOAT
#define EXP_TERMS 5
#define TANH_TERMS 5
#define MAGIC 0x1.8p+23F /* adding it rounds to an integer, found in the low bits */
#define MANTISSA_BITS 23
#define LOG2E 0x1.715476p+0F
#define LN2_HIGH 0x1.62e43p-1F
#define LN2_LOW -0x1.05c61p-29F
/* Largest -x with a finite 2^n; the sigmoid beyond is 0 (true: below 4.2e-39). */
#define SIGMOID_LIMIT 88.37F
#define SIGMOID_ONE -18.0F /* e^-18 is below half an ulp of 1 */
#define TANH_ONE 10.0F     /* 1 - tanh(10) is below half an ulp */
#else
#define EXP_TERMS 10
#define TANH_TERMS 11
#define MAGIC 0x1.8p+52
#define MANTISSA_BITS 52
#define LOG2E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa39efp-1
#define LN2_LOW 0x1.abc9e3b39803fp-56
#define SIGMOID_LIMIT 709.4
#define SIGMOID_ONE -38.0
#define TANH_ONE 20.0
#endif
#define TANH_SWITCH ((REAL)0.55) /* below, an odd polynomial; above, 1 - 2/(e^2x + 1) */

/* P(r) = (e^r - 1 - r) / r^2 on |r| <= ln2/2, error of q 2^-28.2 and 2^-57.9 */
static const REAL NAME(exp_terms)[EXP_TERMS] = {
#if REAL_IS_FLOAT
    0x1.fffffcp-2F, 0x1.555492p-3F, 0x1.5558aep-5F, 0x1.12397ap-7F, 0x1.6a4d5cp-10F,
#else
    0x1.000000000000ap-1,  0x1.5555555555507p-3,  0x1.55555555506e8p-5,  0x1.1111111124d0cp-7,
    0x1.6c16c18469ff2p-10, 0x1.a01a0138bede3p-13, 0x1.a0199986102adp-16, 0x1.71df0790fc623p-19,
    0x1.28add754655b3p-22, 0x1.adab89dc99c73p-26,
#endif
};

/* (tanh(x) - x) / x^3 as a polynomial in x^2 on |x| < 0.55, relative error 2^-29.7 and 2^-60.6 */
static const REAL NAME(tanh_terms)[TANH_TERMS] = {
#if REAL_IS_FLOAT
    -0x1.55554ap-2F, 0x1.110cfp-3F, -0x1.b91f38p-5F, 0x1.58ee24p-6F, -0x1.996444p-8F,
#else
    -0x1.555555555554fp-2,  0x1.1111111110791p-3,  -0x1.ba1ba1b97cd54p-5,  0x1.664f48594c121p-6,
    -0x1.226e2f102e8bap-7,  0x1.d6d29af5ec84ap-9,  -0x1.7d8fcc1bd11ddp-10, 0x1.348373f1c267ap-11,
    -0x1.e96d912b3cd2fp-13, 0x1.5d6e56f63b15ep-14, -0x1.4702df72a8462p-16,
#endif
};

/* Each function below takes `n` vectors (a constant) at once, operation by operation: the
 * chains are long and the scheduler's window short, so that they overlap only side by side. */
#define EACH                                                                                       \
    UNROLL                                                                                         \
    for (int j = 0; j < n; j++)

INLINE TARGET void NAME(polynomial)(const REAL *terms, const int count, const vec_t *x, vec_t *sum,
                                    const int n)
{
    EACH sum[j] = V_SET(terms[count - 1]);
    UNROLL
    for (int i = count - 2; i >= 0; i--)
        EACH sum[j] = V_FMA(sum[j], x[j], V_SET(terms[i]));
}

/* e^y = s (1 + q) with s = 2^n; also s q, which is exact. n must keep s and s q normal. Scaling
 * is done on exponents, because multipliers are what the kernels are short of: a q of 0 then
 * becomes something negligible, and a NaN is sure to stay one in q only. `low` asks for both
 * parts of ln2, without which the relative error grows with n. */
INLINE TARGET void NAME(exp_parts)(const vec_t *y, vec_t *s, vec_t *q, vec_t *sq, const int n,
                                   const bool low)
{
    const vec_t magic = V_SET(MAGIC);
    vec_t shifted[6], r[6], square[6];
    EACH shifted[j] = V_FMA(y[j], V_SET(LOG2E), magic);
    EACH r[j] = V_SUB(shifted[j], magic);
    EACH square[j] = V_FNMA(r[j], V_SET(LN2_HIGH), y[j]); /* exact */
    EACH r[j] = low ? V_FNMA(r[j], V_SET(LN2_LOW), square[j]) : square[j];
    EACH square[j] = V_MUL(r[j], r[j]);
    NAME(polynomial)(NAME(exp_terms), EXP_TERMS, r, q, n);
    EACH q[j] = V_FMA(square[j], q[j], r[j]);
    EACH s[j] = V_SCALE(V_SET((REAL)1), shifted[j], MANTISSA_BITS);
    EACH sq[j] = V_SCALE(q[j], shifted[j], MANTISSA_BITS);
}

#if LANES == 1
#define ACTIVATION(x) NAME(x##_value)
#else
#define ACTIVATION(x) NAME(x)
#endif

/* x to 1 / (1 + e^-x). What the sum d = (s + 1) + s q lost to rounding comes back after the
 * division: without it the worst case would be 1.8 ulp. */
INLINE TARGET void ACTIVATION(sigmoid)(vec_t *x, const int n)
{
    const vec_t one = V_SET((REAL)1);
    vec_t y[6], s[6], q[6], sq[6], d[6];
    EACH y[j] = V_MAX(V_SET(SIGMOID_ONE), V_NEG(x[j])); /* a NaN in the second operand stays */
    NAME(exp_parts)(y, s, q, sq, n, true);
    EACH y[j] = V_ADD(s[j], one);
    EACH d[j] = V_FMA(s[j], q[j], y[j]);
    EACH s[j] = V_SUB(one, V_SUB(y[j], s[j]));                /* what s + 1 lost */
    EACH s[j] = V_ADD(s[j], V_ADD(V_SUB(y[j], d[j]), sq[j])); /* what d lost */
    EACH y[j] = V_DIV(one, d[j]);
    EACH y[j] = V_FNMA(V_MUL(y[j], s[j]), y[j], y[j]);
    EACH x[j] = V_ZERO_BELOW(x[j], V_SET(-SIGMOID_LIMIT), y[j]);
}

/* x to tanh(x). Odd by construction: computed on |x|, then the sign of x. A NaN comes out of
 * the polynomial. */
INLINE TARGET void ACTIVATION(tanh)(vec_t *x, const int n)
{
    const vec_t one = V_SET((REAL)1);
    vec_t a[6], y[6], small[6], s[6], q[6], sq[6];
    EACH a[j] = V_ABS(x[j]);
    EACH y[j] = V_MIN(V_SET(TANH_ONE), a[j]);
    EACH y[j] = V_ADD(y[j], y[j]);
    NAME(exp_parts)(y, s, q, sq, n, false);
    EACH s[j] = V_ADD(V_ADD(s[j], one), sq[j]);
    EACH s[j] = V_DIV(one, s[j]);
    EACH s[j] = V_SUB(one, V_ADD(s[j], s[j]));
    EACH y[j] = V_MUL(a[j], a[j]);
    NAME(polynomial)(NAME(tanh_terms), TANH_TERMS, y, small, n);
    EACH small[j] = V_FMA(V_MUL(a[j], y[j]), small[j], a[j]);
    EACH s[j] = V_SELECT_REACHED(a[j], V_SET(TANH_SWITCH), s[j], small[j]);
    EACH x[j] = V_COPYSIGN(s[j], x[j]);
}

#if LANES == 1
/* Out of line: with one lane the processor has nothing to do side by side that is not a call anyway. */
static NOINLINE REAL NAME(sigmoid_of)(REAL x)
{
    ACTIVATION(sigmoid)(&x, 1);
    return x;
}

static NOINLINE REAL NAME(tanh_of)(REAL x)
{
    ACTIVATION(tanh)(&x, 1);
    return x;
}

INLINE void NAME(sigmoid)(vec_t *x, const int n) { EACH x[j] = NAME(sigmoid_of)(x[j]); }

INLINE void NAME(tanh)(vec_t *x, const int n) { EACH x[j] = NAME(tanh_of)(x[j]); }
#endif

#undef ACTIVATION
#undef EACH
#undef EXP_TERMS
#undef TANH_TERMS
#undef MAGIC
#undef MANTISSA_BITS
#undef LOG2E
#undef LN2_HIGH
#undef LN2_LOW
#undef SIGMOID_LIMIT
#undef SIGMOID_ONE
#undef TANH_ONE
#undef TANH_SWITCH
