/* lengths and reset of a call of a layer: from what was given to the struct rnn_within of its call.
 *
 * Each function is for a request with extras, of which it may have none of these two.
 */
#ifndef PYLSTM_PYTHON_WITHIN_H
#define PYLSTM_PYTHON_WITHIN_H

#include "request.h"

/* ValueError if there are lengths, a reset or out, which a packed sequence cannot have. */
int within_refuse_packed(const struct extras *extras);
/* Opens the arrays behind the objects, which may run code of others. within_close() is due even after
 * a failure. */
int within_open(struct request *request);
/* True if no code of others runs in any of these functions: each object is an array that needs no
 * conversion. */
bool within_is_exact(const struct extras *extras);
/* Checks lengths or reset, after request_check(); from here on call->steps is the longest length. */
int within_check(struct request *request);
/* Makes what the fresh results of a try have beyond those of a plain call. On failure the results stay
 * the caller's to give back. */
int within_set_results(struct request *request);
/* Gives back what the functions above took. */
void within_close(struct extras *extras);

#endif
