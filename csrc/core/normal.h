/* Normal numbers of torch's generator. Internal arithmetic is torch's, so that bits are. */
#ifndef PYLSTM_CORE_NORMAL_H
#define PYLSTM_CORE_NORMAL_H

#include "random.h"

/* torch makes normal numbers by 16; a shorter tail is made with the numbers before it, once more. */
#define NORMAL_GROUP 16

/* out[i] standard normal, by the bits of torch's official Linux wheels on x86-64. count is at least
 * NORMAL_GROUP: torch makes fewer numbers by another algorithm, as it makes all of float64. */
void generator_normal_f32(struct generator *rng, float *out, ptrdiff_t count);

#endif
