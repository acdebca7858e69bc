/* `out` of a call: the caller's arrays that the results are written to.
 *
 * The states may be the very arrays that are given as hx: a stream in place. The core writes to an
 * array directly where that is safe. It writes to private memory, which is copied at the end, where a
 * state is not contiguous, and where hx may still be read after h_n or c_n has been written.
 */
#ifndef PYLSTM_PYTHON_OUT_H
#define PYLSTM_PYTHON_OUT_H

#include "request.h"

/* One array. */
struct place {
    PyArrayObject *array; /* owned; NULL: there is none, as the output of a cell */
    char *data;
    ptrdiff_t nbytes;
    ptrdiff_t layer, row; /* of a state: bytes from one to the next */
    bool contiguous;
    bool in_place;      /* hx has this very array */
    const char *copied; /* private memory; NULL: none */
};

struct out {
    struct place places[RESULTS];
    bool exact; /* no array is of a subclass, whose code may have run */
};

/* Reads the arrays out of what was given, if any. No code of others runs but that of subclasses, and
 * where a message is made. out_close() is due even after a failure. */
int out_open(struct request *request);
/* Checks them against the sizes of the request, which has passed its own checks, and against all
 * other arrays of it, and points its call at them. TypeError or ValueError where an array cannot get a
 * result. Nothing is written, and no code of others runs but where a message is made. */
int out_check(struct request *request);
void out_close(struct out *out);
/* What the call returns, a new reference: the object that was given where it is made of tuples, else
 * tuples of the given arrays. */
PyObject *out_results(const struct request *request);

/* Bytes of private memory that the states need, where "shared" says that several threads may work on
 * the call. */
ptrdiff_t out_private_size(const struct request *request, bool shared);
/* Points the request's call at so much private memory. */
void out_set_private(struct request *request, bool shared, void *memory);
/* Copies the states from private memory to their arrays. */
void out_finish(const struct request *request);

#endif
