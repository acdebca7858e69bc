#include "dispatch.h"

#include "levels.h"

#include <string.h>

/* In order of preference, best last. */
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
    return kernels_select_flavour(NULL);
}

const struct rnn_kernels *kernels_current(enum dtype dtype) { return current[dtype]; }

/* In order of preference, best last. */
static const struct flavour {
    const char *name, *level;
    const struct rnn_kernels *const *tables;
    bool (*available)(void); /* NULL: wherever its level is */
} flavours[] = {
    {"portable", "portable", portable_storages, NULL},
#if PYLSTM_BUILD_NEON
    {"neon", "neon", neon_storages, NULL},
    {"neon-dotprod", "neon", neon_dotprod_storages, cpu_has_dotprod},
#endif
#if PYLSTM_BUILD_X86
    {"avx2", "avx2", avx2_storages, cpu_has_f16c},
    {"avx2-vnni", "avx2", avx2_vnni_storages, cpu_has_avx_vnni},
    {"avx512-vnni", "avx512", avx512_vnni_storages, cpu_has_avx512_vnni},
#endif
};
enum { FLAVOUR_COUNT = sizeof flavours / sizeof flavours[0] };

/* Written when `current` is. */
static const struct flavour *current_flavour = flavours;

const char *kernels_flavour_name(int index)
{
    return index >= 0 && index < FLAVOUR_COUNT ? flavours[index].name : NULL;
}

bool kernels_flavour_available(int index)
{
    if (index < 0 || index >= FLAVOUR_COUNT)
        return false;
    const struct flavour *flavour = &flavours[index];
    return available(flavour->level) && (flavour->available == NULL || flavour->available());
}

static const struct flavour *find_flavour(const char *name)
{
    for (int i = 0; i < FLAVOUR_COUNT; i++)
        if (strcmp(flavours[i].name, name) == 0 && kernels_flavour_available(i))
            return &flavours[i];
    return NULL;
}

const struct rnn_kernels *kernels_for_storage(const char *name, enum storage storage)
{
    const struct flavour *flavour = find_flavour(name);
    return flavour ? flavour->tables[storage] : NULL;
}

/* Where a level stands among the levels. */
static int rank_of(const char *level)
{
    int rank = 0;
    while (strcmp(level_names[rank], level) != 0)
        rank++;
    return rank;
}

int kernels_select_flavour(const char *name)
{
    const struct flavour *found = NULL;

    if (name && name[0]) {
        found = find_flavour(name);
    } else {
        const int rank = rank_of(current[0]->level);
        for (int i = 0; i < FLAVOUR_COUNT; i++)
            if (kernels_flavour_available(i) && rank_of(flavours[i].level) <= rank)
                found = &flavours[i];
    }
    if (!found)
        return -1;
    current_flavour = found;
    return 0;
}

const struct rnn_kernels *kernels_current_storage(enum storage storage)
{
    return current_flavour->tables[storage];
}

const char *kernels_current_flavour(void) { return current_flavour->name; }
