/* Compressed weights as plain scalar code, written from the text of csrc/simd/storage.h: integers are
 * doubles, which hold every sum exactly. */
#ifndef PYLSTM_TESTS_REFERENCE_STORAGE_H
#define PYLSTM_TESTS_REFERENCE_STORAGE_H

#include "../../csrc/simd/storage.h"

/* The value of a weight in a float storage of 16 bits. */
double reference_weight(enum storage storage, double value);
/* Like reference_add_product(), of an integer storage; "w" are the weights before they are compressed.
 * is_x: of weight_ih. bounded: "v" may have the fixed scale. */
void reference_add_integers(enum storage storage, bool is_x, bool bounded, const double *w,
                            const double *v, ptrdiff_t rows, ptrdiff_t depth, double *total);

#endif
