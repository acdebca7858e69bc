#include "storage.h"

#include <string.h>

const struct storage_format storage_formats[STORAGES] = {
    [STORAGE_FLOAT] = {"float", 0, 1, 0, 0, 1, 1},
    [STORAGE_INT8] = {"int8", 1, 4, STORAGE_BYTES_SUM, 127, 2, 1},
    [STORAGE_INT8_FAST] = {"int8-fast", 1, 4, STORAGE_BYTES_SUM, 127, 1, 1},
    [STORAGE_INT16] = {"int16", 2, 2, STORAGE_WORDS_SUM, 32767, 1, 1},
    [STORAGE_BFLOAT16] = {"bfloat16", 2, 2, 0, 0, 1, 1},
    [STORAGE_FLOAT16] = {"float16", 2, 2, 0, 0, 1, 1},
};

/* Writes a value of four bytes. */
static void put(void *elements, ptrdiff_t index, const void *value)
{
    memcpy((char *)elements + 4 * index, value, 4);
}

/* -128 times the sum of `count` integers. */
static int32_t start_of(const int8_t *weights, ptrdiff_t count)
{
    int32_t sum = 0;

    for (ptrdiff_t k = 0; k < count; k++)
        sum += weights[k];
    return -128 * sum;
}

/* The column of one row of integers, which begins at `column` and has an element every `totals`. A
 * lane without a unit has "weights" NULL. */
static void pack_column(const struct storage_format *format, const char *weights, float scale,
                        ptrdiff_t depth, char *column, ptrdiff_t totals)
{
    const ptrdiff_t itemsize = (ptrdiff_t)format->itemsize;
    ptrdiff_t row = 1;

    put(column, 0, &scale);
    for (ptrdiff_t k = 0; storage_has_starts(format) && k < depth; k += format->sum_terms, row++) {
        const ptrdiff_t count = depth - k < format->sum_terms ? depth - k : format->sum_terms;
        const int32_t start = weights ? start_of((const int8_t *)weights + k, count) : 0;
        put(column, row * totals, &start);
    }
    for (ptrdiff_t k = 0; k < depth; k += format->terms, row++) {
        const ptrdiff_t count = depth - k < format->terms ? depth - k : format->terms;
        char element[4] = {0};
        if (weights)
            memcpy(element, weights + k * itemsize, (size_t)(count * itemsize));
        put(column, row * totals, element);
    }
}

static void pack_integers(const struct storage_format *format, const struct panel *panel,
                          void *packed)
{
    const ptrdiff_t row_size = panel->depth * (ptrdiff_t)format->itemsize;

    for (int i = 0; i < PANEL_VECTORS; i++)
        for (ptrdiff_t lane = 0; lane < panel->lanes; lane++) {
            const bool unit = lane < panel->counts[i];
            pack_column(format, unit ? (const char *)panel->rows[i] + lane * row_size : NULL,
                        unit ? panel->scales[i][lane] : 0.0F, panel->depth,
                        (char *)packed + 4 * (i * panel->lanes + lane),
                        PANEL_VECTORS * panel->lanes);
        }
}

bool storage_pack_int8(const struct panel *panel, void *packed)
{
    pack_integers(&storage_formats[STORAGE_INT8], panel, packed);
    return true;
}

bool storage_pack_int16(const struct panel *panel, void *packed)
{
    pack_integers(&storage_formats[STORAGE_INT16], panel, packed);
    return true;
}

/* Packs floats of 16 bits, of which those with all of `exponent` set are not finite: lanes of a vector
 * stand `stride` apart, those of an odd vector `odd` behind the even one's. */
static bool pack_halves(const struct panel *panel, uint16_t *packed, unsigned exponent,
                        ptrdiff_t stride, ptrdiff_t odd)
{
    const ptrdiff_t totals = PANEL_VECTORS * panel->lanes;
    bool finite = true;

    for (int i = 0; i < PANEL_VECTORS; i++) {
        const uint16_t *rows = panel->rows[i];
        uint16_t *columns = packed + i / 2 * 2 * panel->lanes + i % 2 * odd;
        for (ptrdiff_t lane = 0; lane < panel->lanes; lane++)
            for (ptrdiff_t k = 0; k < panel->depth; k++) {
                const uint16_t weight = lane < panel->counts[i] ? rows[lane * panel->depth + k] : 0;
                columns[k * totals + lane * stride] = weight;
                finite &= (weight & exponent) != exponent;
            }
    }
    if (panel->depth % 2)
        memset(packed + panel->depth * totals, 0, (size_t)totals * sizeof *packed);
    return finite;
}

bool storage_pack_bfloat16(const struct panel *panel, void *packed)
{
    return pack_halves(panel, packed, 0x7f80, 2, 1);
}

bool storage_pack_float16(const struct panel *panel, void *packed)
{
    return pack_halves(panel, packed, 0x7c00, 1, panel->lanes);
}
