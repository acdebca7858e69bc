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

/* Compressed weights have flavours: within a level, processors multiply integers in several ways. Like
 * the functions of levels. Every flavour has a table for each storage but STORAGE_FLOAT. */
const char *kernels_flavour_name(int index);
bool kernels_flavour_available(int index);
const struct rnn_kernels *kernels_for_storage(const char *flavour, enum storage storage);
/* Chooses what kernels_current_storage() returns: NULL or "" for the best flavour of the chosen level,
 * or of one below it where that has none. Called once, after kernels_select(), which calls it too. */
int kernels_select_flavour(const char *flavour);
const struct rnn_kernels *kernels_current_storage(enum storage storage);
const char *kernels_current_flavour(void);

#endif
