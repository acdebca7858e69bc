/* MT19937 as torch's CPU generator runs it, and torch's serialised form of its state. */
#include "random.h"

#include "../simd/fma_software.h"

#include <stdbool.h>
#include <string.h>

enum { MIDDLE = 397 }; /* MT19937's m: the distance between the words that are mixed */

void generator_seed(struct generator *rng, uint64_t seed)
{
    memset(rng, 0, sizeof *rng);
    rng->seed = seed;
    uint32_t word = (uint32_t)seed; /* as in torch, the high half has no effect */
    rng->state[0] = word;
    for (uint32_t i = 1; i < GENERATOR_WORDS; i++) {
        word = 1812433253U * (word ^ (word >> 30)) + i;
        rng->state[i] = word;
    }
    rng->left = 1;
    rng->next = 0;
    rng->seeded = 1;
}

static uint32_t twist(uint32_t upper, uint32_t lower)
{
    uint32_t mixed = (upper & 0x80000000U) | (lower & 0x7fffffffU);
    return (mixed >> 1) ^ ((lower & 1) ? 0x9908b0dfU : 0);
}

static void renew(struct generator *rng)
{
    uint32_t *s = rng->state; /* [GENERATOR_WORDS] */
    for (int i = 0; i < GENERATOR_WORDS - MIDDLE; i++)
        s[i] = s[i + MIDDLE] ^ twist(s[i], s[i + 1]);
    for (int i = GENERATOR_WORDS - MIDDLE; i < GENERATOR_WORDS - 1; i++)
        s[i] = s[i + MIDDLE - GENERATOR_WORDS] ^ twist(s[i], s[i + 1]);
    s[GENERATOR_WORDS - 1] = s[MIDDLE - 1] ^ twist(s[GENERATOR_WORDS - 1], s[0]);
    rng->left = GENERATOR_WORDS;
    rng->next = 0;
}

static uint32_t generator_u32(struct generator *rng)
{
    if (--rng->left == 0)
        renew(rng);
    uint32_t word = rng->state[rng->next++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680U;
    word ^= (word << 15) & 0xefc60000U;
    return word ^ (word >> 18);
}

/* The first word drawn is the high half. */
static uint64_t generator_u64(struct generator *rng)
{
    uint64_t high = generator_u32(rng);
    return high << 32 | generator_u32(rng);
}

double generator_uniform(struct generator *rng)
{
    return (double)(generator_u64(rng) & (((uint64_t)1 << 53) - 1)) * 0x1p-53;
}

/* Rounding can reach the excluded end of the interval; torch then gives the other end. */
void generator_uniform_f32(struct generator *rng, double low, double high, float *out,
                           ptrdiff_t count)
{
    const float from = (float)low, to = (float)high, span = to - from;
    for (ptrdiff_t i = 0; i < count; i++) {
        float unit = (float)(generator_u32(rng) & ((1U << 24) - 1)) * 0x1p-24F;
        float value = fma_f32(unit, span, from);
        out[i] = value < to ? value : from;
    }
}

void generator_uniform_f64(struct generator *rng, double low, double high, double *out,
                           ptrdiff_t count)
{
    const double span = high - low;
    for (ptrdiff_t i = 0; i < count; i++) {
        double value = fma_f64(generator_uniform(rng), span, low);
        out[i] = value < high ? value : low;
    }
}

/* torch's blob: the C struct of its x86-64 builds, padding included, always little-endian.
 * The draw count is kept twice: "left" for the branch, "next" for the word. */
enum blob_offset {
    BLOB_SEED = 0,                                     /* u64 */
    BLOB_LEFT = 8,                                     /* i32 */
    BLOB_SEEDED = 12,                                  /* i32 */
    BLOB_NEXT = 16,                                    /* u64 */
    BLOB_STATE = 24,                                   /* 624 u64, each holding one 32-bit word */
    BLOB_NORMAL = BLOB_STATE + 8 * GENERATOR_WORDS,    /* 3 f64: x, y, rho */
    BLOB_NORMAL_IS_VALID = BLOB_NORMAL + 24,           /* i32, then 4 bytes of padding */
    BLOB_FLOAT_NORMAL = BLOB_NORMAL_IS_VALID + 8,      /* f32 */
    BLOB_FLOAT_NORMAL_IS_VALID = BLOB_FLOAT_NORMAL + 4 /* bool, then 3 bytes of padding */
};

_Static_assert(BLOB_FLOAT_NORMAL_IS_VALID + 4 == GENERATOR_STATE_SIZE, "blob layout");
_Static_assert(sizeof(double) == 8 && sizeof(float) == 4, "IEEE binary64 and binary32");

static void put(unsigned char *bytes, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i) & 0xff);
}

static uint64_t get(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void put_double(unsigned char *bytes, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(bytes, bits, 8);
}

static double get_double(const unsigned char *bytes)
{
    uint64_t bits = get(bytes, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void generator_get_state(const struct generator *rng, unsigned char blob[GENERATOR_STATE_SIZE])
{
    uint32_t float_bits;
    memcpy(&float_bits, &rng->next_float_normal, sizeof float_bits);
    memset(blob, 0, GENERATOR_STATE_SIZE);
    put(blob + BLOB_SEED, rng->seed, 8);
    put(blob + BLOB_LEFT, (uint32_t)rng->left, 4);
    put(blob + BLOB_SEEDED, (uint32_t)rng->seeded, 4);
    put(blob + BLOB_NEXT, (uint32_t)rng->next, 8);
    for (int i = 0; i < GENERATOR_WORDS; i++)
        put(blob + BLOB_STATE + 8 * i, rng->state[i], 8);
    put_double(blob + BLOB_NORMAL, rng->normal_x);
    put_double(blob + BLOB_NORMAL + 8, rng->normal_y);
    put_double(blob + BLOB_NORMAL + 16, rng->normal_rho);
    put(blob + BLOB_NORMAL_IS_VALID, (uint32_t)rng->normal_is_valid, 4);
    put(blob + BLOB_FLOAT_NORMAL, float_bits, 4);
    blob[BLOB_FLOAT_NORMAL_IS_VALID] = rng->next_float_normal_is_valid;
}

/* True if the generator would run from here and never read past its words. A fresh seed has left 1
 * and next 0; every later state has left + next = 625. torch itself asks for less. */
static bool position_is_valid(uint64_t left, uint64_t next)
{
    return left >= 1 && left <= GENERATOR_WORDS && next <= GENERATOR_WORDS &&
           (left == 1 || left + next == GENERATOR_WORDS + 1);
}

int generator_set_state(struct generator *rng, const unsigned char blob[GENERATOR_STATE_SIZE])
{
    uint64_t left = get(blob + BLOB_LEFT, 4);
    uint64_t next = get(blob + BLOB_NEXT, 8);
    uint64_t normal_is_valid = get(blob + BLOB_NORMAL_IS_VALID, 4);
    unsigned char float_is_valid = blob[BLOB_FLOAT_NORMAL_IS_VALID];
    if (get(blob + BLOB_SEEDED, 4) != 1 || !position_is_valid(left, next) || normal_is_valid > 1 ||
        float_is_valid > 1) {
        return -1;
    }
    for (int i = 0; i < GENERATOR_WORDS; i++)
        if (get(blob + BLOB_STATE + 8 * i, 8) > UINT32_MAX)
            return -1;
    rng->seed = get(blob + BLOB_SEED, 8);
    rng->left = (int)left;
    rng->next = (int)next;
    rng->seeded = 1;
    for (int i = 0; i < GENERATOR_WORDS; i++)
        rng->state[i] = (uint32_t)get(blob + BLOB_STATE + 8 * i, 8);
    rng->normal_x = get_double(blob + BLOB_NORMAL);
    rng->normal_y = get_double(blob + BLOB_NORMAL + 8);
    rng->normal_rho = get_double(blob + BLOB_NORMAL + 16);
    rng->normal_is_valid = (int32_t)normal_is_valid;
    uint32_t float_bits = (uint32_t)get(blob + BLOB_FLOAT_NORMAL, 4);
    memcpy(&rng->next_float_normal, &float_bits, sizeof float_bits);
    rng->next_float_normal_is_valid = float_is_valid;
    return 0;
}
