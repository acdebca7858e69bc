#include "support.h"

#include "machine.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REPORTS = 20, CANARY = 0xa5, CANARY_BYTES = 256 };

long check_count, check_failures;
static char current_case[256] = "start";

const char *const values_names[VALUES_COUNT] = {"ordinary", "huge", "tiny", "subnormal", "special"};
const char *const dtype_names[DTYPE_COUNT] = {"float32", "float64"};

void case_begin(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current_case, sizeof current_case, format, arguments);
    va_end(arguments);
}

bool check(bool ok, const char *format, ...)
{
    check_count++;
    if (ok) {
        return true;
    }
    check_failures++;
    if (check_failures <= MOST_REPORTS) {
        va_list arguments;
        va_start(arguments, format);
        printf("FAILED %s: ", current_case);
        vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
    }
    return false;
}

void report_crashes(void)
{
    setvbuf(stdout, NULL, _IOLBF, 4096);
    watch_for_crashes(current_case);
    if (!has_guard_pages) {
        printf("note: no guard pages here, canaries alone\n");
    }
}

int check_summary(const char *program)
{
    if (check_failures > MOST_REPORTS) {
        printf("... %ld more failures\n", check_failures - MOST_REPORTS);
    }
    printf("%s: %ld checks, %ld failures\n", program, check_count, check_failures);
    return check_failures ? 1 : 0;
}

struct random random_seed(uint64_t seed)
{
    struct random random = {seed * 0x9e3779b97f4a7c15U + 0x2545f4914f6cdd1dU};
    if (random.state == 0) {
        random.state = 1;
    }
    for (int i = 0; i < 4; i++) {
        random_bits(&random);
    }
    return random;
}

uint64_t random_bits(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1dU;
}

ptrdiff_t random_below(struct random *random, ptrdiff_t limit)
{
    return (ptrdiff_t)((random_bits(random) >> 16) % (uint64_t)limit);
}

static double special_value(ptrdiff_t which)
{
    switch (which) {
    case 0:
        return INFINITY;
    case 1:
        return -INFINITY;
    default:
        return NAN;
    }
}

double random_value(struct random *random, enum dtype dtype, enum values kind)
{
    const bool is_float = dtype == DTYPE_FLOAT32;
    double unit = (double)(int64_t)(random_bits(random) >> 11) * 0x1p-52 - 1.0;
    ptrdiff_t chance = random_below(random, 64);

    switch (kind) {
    case VALUES_HUGE:
        unit = ldexp(unit, (is_float ? 60 : 500) + (int)chance);
        break;
    case VALUES_TINY:
        unit = ldexp(unit, (is_float ? -80 : -550) + (int)chance / 2);
        break;
    case VALUES_SUBNORMAL:
        unit = ldexp(unit, (is_float ? -126 : -1022) - (int)chance / 4);
        break;
    default:
        if (chance < 2) {
            unit = chance ? -0.0 : 0.0;
        } else if (kind == VALUES_SPECIAL && chance < 5) {
            unit = special_value(random_below(random, 3));
        }
    }
    return real_round(dtype, unit);
}

void random_fill(struct random *random, enum dtype dtype, enum values kind, double *out,
                 ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        out[i] = random_value(random, dtype, kind);
    }
}

size_t real_size(enum dtype dtype)
{
    return dtype == DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
}

double real_round(enum dtype dtype, double value)
{
    return dtype == DTYPE_FLOAT32 ? (double)(float)value : value;
}

double real_get(enum dtype dtype, const void *array, ptrdiff_t index)
{
    return dtype == DTYPE_FLOAT32 ? (double)((const float *)array)[index]
                                  : ((const double *)array)[index];
}

void real_set(enum dtype dtype, void *array, ptrdiff_t index, double value)
{
    if (dtype == DTYPE_FLOAT32) {
        ((float *)array)[index] = (float)value;
    } else {
        ((double *)array)[index] = value;
    }
}

bool zeros_have_signs = true;

bool real_same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)) ||
           (!zeros_have_signs && a == 0 && b == 0);
}

ptrdiff_t real_difference(const double *a, const double *b, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        if (!real_same(a[i], b[i])) {
            return i;
        }
    }
    return -1;
}

#ifdef __wasm__ /* musl's fmaf() wants a rounding mode that WebAssembly has not */
float exact_fmaf(float a, float b, float c)
{
    const double product = (double)a * b; /* exact; the sum is rounded to odd, so that it can be */
    double sum = product + c;             /* rounded again */
    const double part = sum - product, lost = (product - (sum - part)) + (c - part);
    uint64_t bits;

    memcpy(&bits, &sum, sizeof bits);
    if (isfinite(lost) && lost != 0.0 && bits % 2 == 0)
        sum = nextafter(sum, lost > 0.0 ? INFINITY : -INFINITY);
    return (float)sum;
}
#else
float exact_fmaf(float a, float b, float c) { return fmaf(a, b, c); }
#endif

/* Where a product with +0 added underflows, fma() of older versions of musl loses its sign. */
double exact_fma(double a, double b, double c)
{
    return c == 0.0 && a != 0.0 && b != 0.0 ? a * b : fma(a, b, c);
}

uint64_t hash_start(void) { return 0xcbf29ce484222325U; }

uint64_t hash_reals(uint64_t hash, enum dtype dtype, const double *values, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        double value = isnan(values[i]) ? 0x1.8p-1000 : values[i];
        float narrow = isnan(values[i]) ? 0x1.8p-140F : (float)value;
        uint32_t narrow_bits;
        uint64_t bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
        memcpy(&bits, &value, sizeof bits);
        bits = dtype == DTYPE_FLOAT32 ? narrow_bits : bits;
        for (size_t byte = 0; byte < real_size(dtype); byte++) {
            hash = (hash ^ (bits >> (8 * byte) & 0xff)) * 0x100000001b3U;
        }
    }
    return hash;
}

void guarded_open(struct guarded *guarded, size_t capacity)
{
    const size_t page = page_size();
    capacity = (capacity + CANARY_BYTES + page - 1) / page * page;
    guarded->base = pages_reserve(capacity);
    if (guarded->base == NULL) {
        printf("cannot reserve %zu bytes\n", capacity);
        exit(2);
    }
    guarded->capacity = capacity;
    guarded->data = guarded->base;
    guarded->size = 0;
    guarded->read_only = false;
}

/* The canaries lie before a buffer at the end, after one at the start. */
static unsigned char *canaries(const struct guarded *guarded)
{
    return guarded->data == guarded->base ? guarded->data + guarded->size
                                          : guarded->data - CANARY_BYTES;
}

/* Of the pages that hold the placed buffer; the rest of the room stays as it is. */
static void change_access(const struct guarded *guarded, bool read_only)
{
    const size_t page = page_size();
    const size_t first = (size_t)(guarded->data - guarded->base) / page * page;
    const size_t end = (size_t)(guarded->data - guarded->base) + guarded->size;
    if (end > first && !pages_protect(guarded->base + first, end - first, read_only)) {
        printf("cannot change the access to %zu bytes\n", guarded->size);
        exit(2);
    }
}

void *guarded_place(struct guarded *guarded, size_t size, enum placement placement,
                    unsigned char fill)
{
    if (size + CANARY_BYTES > guarded->capacity) {
        printf("cannot place %zu bytes\n", size);
        exit(2);
    }
    if (guarded->read_only) {
        change_access(guarded, false);
        guarded->read_only = false;
    }
    guarded->size = size;
    guarded->data = guarded->base + (placement == AT_END ? guarded->capacity - size : 0);
    memset(guarded->data, fill, size);
    memset(canaries(guarded), CANARY, CANARY_BYTES);
    return guarded->data;
}

void guarded_protect(struct guarded *guarded)
{
    change_access(guarded, true);
    guarded->read_only = true;
}

void guarded_check(const struct guarded *guarded, const char *name)
{
    const unsigned char *canary = canaries(guarded);
    size_t intact = 0;
    while (intact < CANARY_BYTES && canary[intact] == CANARY) {
        intact++;
    }
    check(intact == CANARY_BYTES, "wrote outside %s", name);
}

void *must_allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        printf("out of memory\n");
        exit(2);
    }
    return memory;
}
