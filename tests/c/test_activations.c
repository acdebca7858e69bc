/* Accuracy of sigmoid and tanh.
 *
 *   test_activations [--full | --quick]
 *
 * float32 against double on every 61st bit pattern (--full: on all 2^32, about a minute with
 * AVX; --quick: fewer), float64 against long double on random points. Prints the largest
 * errors and asserts the bounds that the documentation states. Every level must give the
 * same bits; the fastest one is measured. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Stated bounds, in units in the last place of the true value. */
#define SIGMOID_F32_ULP 1.5
#define TANH_F32_ULP 1.5
#define SIGMOID_F64_ULP 1.6
#define TANH_F64_ULP 1.6
/* Below these arguments sigmoid's error is bounded absolutely: by the least normal number. */
#define SIGMOID_F32_LOWEST -88.0
#define SIGMOID_F64_LOWEST -708.0
#define SIGMOID_F32_BELOW 0x1p-126
#define SIGMOID_F64_BELOW 0x1p-1022

#ifdef __wasm__ /* long double is wide there, but musl's functions of it are those of double */
static const bool has_long_functions = false;
#else
static const bool has_long_functions = true;
#endif

enum { BLOCK = 4096, COMPARE_EVERY = 16 };

static const char *best_level(void)
{
    const char *best = "portable";
    for (int i = 0; kernels_level_name(i); i++) {
        if (kernels_level_available(i)) {
            best = kernels_level_name(i);
        }
    }
    return best;
}

/* The largest error so far, and where. */
struct worst {
    double ulp, at;
    double below, below_at; /* sigmoid's absolute error below its lowest argument */
    double largest;         /* |result| */
    long wrong_nan;
};

/* An error in units of the distance of neighbouring numbers of the dtype around the truth. */
static double in_ulp(enum dtype dtype, double error, double truth)
{
    const int digits = dtype == DTYPE_FLOAT32 ? 24 : 53;
    const int least = dtype == DTYPE_FLOAT32 ? -125 : -1021;
    int exponent = least;
    if (truth != 0.0) {
        frexp(truth, &exponent);
    }
    return ldexp(error, digits - (exponent > least ? exponent : least));
}

static void meet(struct worst *worst, enum dtype dtype, bool is_tanh, double x, double result,
                 long double truth)
{
    const double lowest = dtype == DTYPE_FLOAT32 ? SIGMOID_F32_LOWEST : SIGMOID_F64_LOWEST;
    if (isnan(x) || isnan(result)) {
        worst->wrong_nan += isnan(x) != isnan(result);
        return;
    }
    /* An ulp is at least this part of the truth: most errors need no closer look. */
    const double epsilon = dtype == DTYPE_FLOAT32 ? 0x1p-24 : 0x1p-53;
    double error = fabs((double)((long double)result - truth));
    worst->largest = fmax(worst->largest, fabs(result));
    if (!is_tanh && x < lowest) {
        if (error > worst->below) {
            worst->below = error;
            worst->below_at = x;
        }
    } else if (error > worst->ulp * fabs((double)truth) * epsilon) {
        double ulp = in_ulp(dtype, error, (double)truth);
        if (ulp > worst->ulp) {
            worst->ulp = ulp;
            worst->at = x;
        }
    }
}

static void report(const struct worst *worst, enum dtype dtype, bool is_tanh)
{
    const bool is_float = dtype == DTYPE_FLOAT32;
    const double bound = is_tanh    ? is_float ? TANH_F32_ULP : TANH_F64_ULP
                         : is_float ? SIGMOID_F32_ULP
                                    : SIGMOID_F64_ULP;
    const double below = is_float ? SIGMOID_F32_BELOW : SIGMOID_F64_BELOW;
    const char *name = is_tanh ? "tanh" : "sigmoid";

    printf("%s %s: at most %.4f ulp (at %a)", dtype_names[dtype], name, worst->ulp, worst->at);
    if (!is_tanh) {
        printf(", %.3g below %g", worst->below, is_float ? SIGMOID_F32_LOWEST : SIGMOID_F64_LOWEST);
    }
    printf("\n");
    case_begin("%s %s", name, dtype_names[dtype]);
    check(worst->ulp <= bound, "%.4f ulp at %a, stated are %.2f", worst->ulp, worst->at, bound);
    check(worst->below <= below, "%g at %a, stated are %g", worst->below, worst->below_at, below);
    check(worst->largest <= 1.0, "reaches %a", worst->largest);
    check(worst->wrong_nan == 0, "%ld results are wrong about NaN", worst->wrong_nan);
}

/* Double arithmetic is 2^29 times finer than float; the shortcuts are good to 1e-5 float ulp
 * and spare the libm call where most bit patterns lie. */
static double true_sigmoid(double x)
{
    if (fabs(x) < 0x1p-12) {
        return 0.5 + 0.25 * x;
    }
    if (fabs(x) > 104.0) {
        return x > 0.0 ? 1.0 : 0.0;
    }
    return 1.0 / (1.0 + exp(-x));
}

static double true_tanh(double x)
{
    if (fabs(x) < 0x1p-12) {
        return x - x * x * x / 3.0;
    }
    if (fabs(x) > 20.0) {
        return x > 0.0 ? 1.0 : -1.0;
    }
    return tanh(x);
}

typedef void function_t(const void *x, void *out, ptrdiff_t count);

static function_t *function(const char *level, enum dtype dtype, bool is_tanh)
{
    const struct rnn_kernels *kernels = kernels_for(level, dtype);
    return is_tanh ? kernels->tanh : kernels->sigmoid;
}

/* Every level on the same arguments: identical, or both NaN. */
static void compare_levels(enum dtype dtype, bool is_tanh, const void *x, const void *out)
{
    double other[BLOCK]; /* holds floats too */
    for (int i = 0; kernels_level_name(i); i++) {
        if (!kernels_level_available(i)) {
            continue;
        }
        function(kernels_level_name(i), dtype, is_tanh)(x, other, BLOCK);
        bool same = true;
        for (ptrdiff_t j = 0; j < BLOCK; j++) {
            same &= real_same(real_get(dtype, other, j), real_get(dtype, out, j));
        }
        case_begin("%s %s", is_tanh ? "tanh" : "sigmoid", dtype_names[dtype]);
        check(same, "level %s differs near %a", kernels_level_name(i), real_get(dtype, x, 0));
    }
}

/* Positive patterns and, at the same time, their negations. */
static void measure_f32(bool is_tanh, uint32_t stride)
{
    const char *level = best_level();
    static float x[BLOCK], minus_x[BLOCK], out[BLOCK], minus_out[BLOCK];
    struct worst worst = {0};
    uint64_t bits = 0;
    long odd = 0;

    for (long block = 0; bits < (uint64_t)1 << 31; block++) {
        for (int i = 0; i < BLOCK; i++, bits += stride) {
            uint32_t pattern = (uint32_t)bits & 0x7fffffffU; /* the last block wraps around */
            memcpy(&x[i], &pattern, sizeof pattern);
            minus_x[i] = -x[i];
        }
        function(level, DTYPE_FLOAT32, is_tanh)(x, out, BLOCK);
        function(level, DTYPE_FLOAT32, is_tanh)(minus_x, minus_out, BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            double argument = (double)x[i];
            double plus = is_tanh ? true_tanh(argument) : true_sigmoid(argument);
            double minus = is_tanh ? -plus : true_sigmoid(-argument);
            meet(&worst, DTYPE_FLOAT32, is_tanh, argument, (double)out[i], (long double)plus);
            meet(&worst, DTYPE_FLOAT32, is_tanh, -argument, (double)minus_out[i],
                 (long double)minus);
            odd += is_tanh && !real_same((double)out[i], -(double)minus_out[i]);
        }
        if (block % COMPARE_EVERY == 0) {
            compare_levels(DTYPE_FLOAT32, is_tanh, x, out);
            compare_levels(DTYPE_FLOAT32, is_tanh, minus_x, minus_out);
        }
    }
    report(&worst, DTYPE_FLOAT32, is_tanh);
    check(odd == 0, "is not odd for %ld arguments", odd);
}

/* Of every magnitude, and dense where the functions bend. */
static double argument_f64(struct random *random)
{
    static const double scales[] = {1.0, 4.0, 45.0, 760.0};
    double unit = random_value(random, DTYPE_FLOAT64, VALUES_ORDINARY);
    ptrdiff_t kind = random_below(random, 5);
    return kind < 4 ? unit * scales[kind] : ldexp(unit, (int)random_below(random, 1070) - 1060);
}

static void measure_f64(bool is_tanh, long count)
{
    const char *level = best_level();
    static double x[BLOCK], minus_x[BLOCK], out[BLOCK], minus_out[BLOCK];
    struct random random = random_seed(3);
    struct worst worst = {0};
    long odd = 0;

    for (long block = 0; block * BLOCK < count; block++) {
        for (int i = 0; i < BLOCK; i++) {
            x[i] = argument_f64(&random);
            minus_x[i] = -x[i];
        }
        function(level, DTYPE_FLOAT64, is_tanh)(x, out, BLOCK);
        function(level, DTYPE_FLOAT64, is_tanh)(minus_x, minus_out, BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            long double truth =
                is_tanh ? tanhl((long double)x[i]) : 1.0L / (1.0L + expl(-(long double)x[i]));
            meet(&worst, DTYPE_FLOAT64, is_tanh, x[i], out[i], truth);
            odd += is_tanh && !real_same(out[i], -minus_out[i]);
        }
        if (block % COMPARE_EVERY == 0) {
            compare_levels(DTYPE_FLOAT64, is_tanh, x, out);
        }
    }
    report(&worst, DTYPE_FLOAT64, is_tanh);
    check(odd == 0, "is not odd for %ld arguments", odd);
}

/* The values that the numeric contract names, signs of zeros included. */
static void check_exact(const char *level, enum dtype dtype)
{
    static const double x[] = {INFINITY, -INFINITY, NAN, -0.0, 0.0};
    static const double sigmoid[] = {1.0, 0.0, NAN, 0.5, 0.5};
    static const double hyperbolic[] = {1.0, -1.0, NAN, -0.0, 0.0};
    double in[5], out[5];

    for (int is_tanh = 0; is_tanh < 2; is_tanh++) {
        case_begin("%s %s %s", level, dtype_names[dtype], is_tanh ? "tanh" : "sigmoid");
        for (int i = 0; i < 5; i++) {
            real_set(dtype, in, i, x[i]);
        }
        function(level, dtype, is_tanh)(in, out, 5);
        for (int i = 0; i < 5; i++) {
            double expected = is_tanh ? hyperbolic[i] : sigmoid[i];
            check(real_same(real_get(dtype, out, i), expected), "of %g is %g", x[i],
                  real_get(dtype, out, i));
        }
    }
}

int main(int argc, char **argv)
{
    const bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
    const bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;

    printf("level %s\n", best_level());
    for (int i = 0; kernels_level_name(i); i++) {
        for (enum dtype dtype = 0; kernels_level_available(i) && dtype < DTYPE_COUNT; dtype++) {
            check_exact(kernels_level_name(i), dtype);
        }
    }
    for (int is_tanh = 0; is_tanh < 2; is_tanh++) {
        measure_f32(is_tanh, full ? 1 : quick ? 4001 : 61);
        if (has_long_functions) {
            measure_f64(is_tanh, full ? 20000000 : quick ? 20000 : 2000000);
        }
    }
    if (!has_long_functions) {
        printf("note: no long double functions here to measure float64 with\n");
    }
    return check_summary("test_activations");
}
