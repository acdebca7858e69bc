/* Dispatch: the instruction sets of this build, and the one in use. */
#ifndef PYLSTM_SIMD_DISPATCH_H
#define PYLSTM_SIMD_DISPATCH_H

#include "kernels.h"

/* Levels in order of preference, best last. Returns NULL past the end. */
const char *kernels_level_name(int index);
/* True if level `index` is built into this library; true if this machine can run it too. */
bool kernels_level_built(int index);
bool kernels_level_available(int index);

/* The kernels of a level, NULL where it is not built or this machine cannot run it. */
const struct rnn_kernels *kernels_for(const char *level, enum dtype dtype);

/* Chooses the level that kernels_current() returns: NULL or "" for the best available.
 * Returns 0, or -1 where the name is unknown or the level cannot run. Called once, at load. */
int kernels_select(const char *level);
const struct rnn_kernels *kernels_current(enum dtype dtype);

#endif
