#include "dispatch.h"

#include "levels.h"

#include <string.h>

static const char *const level_names[] = {"portable", "neon", "avx2", "avx512"};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

/* Written once, by kernels_select() while the library is loaded. */
static const struct rnn_kernels *const *current = portable_kernels;

const char *kernels_level_name(int index)
{
    return index >= 0 && index < LEVEL_COUNT ? level_names[index] : NULL;
}

static const struct rnn_kernels *const *built(const char *level)
{
    if (strcmp(level, "portable") == 0)
        return portable_kernels;
#if PYLSTM_BUILD_NEON
    if (strcmp(level, "neon") == 0)
        return neon_kernels;
#endif
#if PYLSTM_BUILD_X86
    if (strcmp(level, "avx2") == 0)
        return avx2_kernels;
    if (strcmp(level, "avx512") == 0)
        return avx512_kernels;
#endif
    return NULL;
}

static const struct rnn_kernels *const *available(const char *level)
{
#if PYLSTM_BUILD_X86
    if (strcmp(level, "avx2") == 0 && !cpu_has_avx2())
        return NULL;
    if (strcmp(level, "avx512") == 0 && !cpu_has_avx512())
        return NULL;
#endif
    return built(level);
}

bool kernels_level_built(int index)
{
    const char *level = kernels_level_name(index);
    return level && built(level);
}

bool kernels_level_available(int index)
{
    const char *level = kernels_level_name(index);
    return level && available(level);
}

const struct rnn_kernels *kernels_for(const char *level, enum dtype dtype)
{
    const struct rnn_kernels *const *tables = available(level);
    return tables ? tables[dtype] : NULL;
}

int kernels_select(const char *level)
{
    const struct rnn_kernels *const *tables = NULL;

    if (level && level[0]) {
        tables = available(level);
    } else {
        for (int i = 0; i < LEVEL_COUNT; i++)
            if (kernels_level_available(i))
                tables = available(level_names[i]);
    }
    if (!tables)
        return -1;
    current = tables;
    return 0;
}

const struct rnn_kernels *kernels_current(enum dtype dtype) { return current[dtype]; }
