/* torch's CPU generator: MT19937, and the draws that initialisation and dropout need. */
#ifndef PYLSTM_CORE_RANDOM_H
#define PYLSTM_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define GENERATOR_WORDS 624
#define GENERATOR_STATE_SIZE 5056 /* bytes of torch.get_rng_state() */

struct generator {
    uint64_t seed;
    uint32_t state[GENERATOR_WORDS];
    int next; /* next word to temper */
    int left; /* words left before the state is renewed, counted as torch counts them */
    int seeded;
    /* torch's cache of a second normal value: never made here, but carried by the state blob */
    double normal_x, normal_y, normal_rho;
    int32_t normal_is_valid;
    float next_float_normal;
    unsigned char next_float_normal_is_valid;
};

void generator_seed(struct generator *rng, uint64_t seed);

/* out[i] uniform in [low, high): one fused multiply-add per element, as in torch's
 * official Linux wheels. low and high are cast to the dtype first. */
void generator_uniform_f32(struct generator *rng, double low, double high, float *out,
                           ptrdiff_t count);
void generator_uniform_f64(struct generator *rng, double low, double high, double *out,
                           ptrdiff_t count);
/* One 53-bit uniform in [0, 1): what torch's Bernoulli draws compare with. */
double generator_uniform(struct generator *rng);

/* torch's 5056-byte little-endian state blob. generator_set_state returns 0, or -1 where the
 * blob cannot be a state (then nothing has changed). */
void generator_get_state(const struct generator *rng, unsigned char blob[GENERATOR_STATE_SIZE]);
int generator_set_state(struct generator *rng, const unsigned char blob[GENERATOR_STATE_SIZE]);

#endif
