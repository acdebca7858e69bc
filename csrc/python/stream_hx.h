/* The states of the rows of a stream: h, and where there is one c.
 *
 * They lie in banks of equal size, each with room for `capacity` rows: matrices h [Y, rows, Hout] and
 * c [Y, rows, H], contiguous. Banks 0 and 1 take turns in holding the states: a call reads one and
 * writes another, so that the states change only when the call has succeeded. The third has the
 * results of some rows. Nothing here may run code of others but what says so.
 */
#ifndef PYLSTM_PYTHON_STREAM_HX_H
#define PYLSTM_PYTHON_STREAM_HX_H

#include "dtype.h"

#include "../core/rnn.h"

enum { STREAM_BANKS = 3, STREAM_SPARE_BANK = 2 };

struct stream_hx {
    enum dtype dtype;
    ptrdiff_t layers, width[2]; /* Y; Hout and H, or 0 where there is no c */
    ptrdiff_t rows, capacity;
    int current;        /* the bank that has the states, 0 or 1 */
    size_t bank_nbytes; /* of each */
    size_t c_offset;    /* from the beginning of a bank to its c */
    char *banks;
    int64_t *index;       /* [capacity] for the rows of a call */
    unsigned char *marks; /* [capacity] likewise */
    void *memory;         /* that all of them are in; NULL: none */
};

/* Makes states of so many rows, all zero, of the network and its dtype. MemoryError. */
int stream_hx_new(struct stream_hx *hx, const struct rnn_net *net, ptrdiff_t rows);
void stream_hx_free(struct stream_hx *hx);
/* Replaces the states by others, which are moved. */
void stream_hx_replace(struct stream_hx *hx, struct stream_hx *other);
/* Makes a copy in the same dtype or in float64. */
int stream_hx_copy(const struct stream_hx *hx, enum dtype dtype, struct stream_hx *copy);

/* h (0) or c (1) of a bank. */
static inline char *stream_hx_data(const struct stream_hx *hx, int bank, int item)
{
    return hx->banks + (size_t)bank * hx->bank_nbytes + (item == 0 ? 0 : hx->c_offset);
}
static inline ptrdiff_t stream_hx_itemsize(const struct stream_hx *hx)
{
    return hx->dtype == DTYPE_FLOAT32 ? 4 : 8;
}
/* Bytes of h (0) or c (1) of all rows. */
static inline size_t stream_hx_nbytes(const struct stream_hx *hx, int item)
{
    return (size_t)(hx->layers * hx->rows * hx->width[item] * stream_hx_itemsize(hx));
}

/* Copies `count` rows of the states to another bank, in which they lie side by side, and back; from
 * no bank, -1, zeros. */
void stream_hx_gather(const struct stream_hx *hx, int bank, const int64_t *rows, ptrdiff_t count);
void stream_hx_scatter(const struct stream_hx *hx, int bank, const int64_t *rows, ptrdiff_t count);
/* Row i becomes what rows[i] was, and there are `count` rows from now on. Where `rows` is NULL the
 * first rows stay, and what is new is zero. MemoryError. */
int stream_hx_select(struct stream_hx *hx, const int64_t *rows, ptrdiff_t count);

/* What a call of the layer returns as its states: new arrays. */
PyObject *stream_hx_to_python(struct module_state *module_state, const struct stream_hx *hx);
/* Fills new states from what a call of the layer takes as hx. `name` is what error texts call it. May
 * run code of others. */
int stream_hx_from_python(struct module_state *module_state, const struct stream_hx *hx,
                          PyObject *object, const char *name);

#endif
