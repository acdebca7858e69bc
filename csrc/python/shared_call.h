/* A call that several threads work on. */
#ifndef PYLSTM_PYTHON_SHARED_CALL_H
#define PYLSTM_PYTHON_SHARED_CALL_H

#include "request.h"

#include "../threads/plan.h"

enum { CALL_AGAIN = 1 };

/* Runs the call with `helpers` helpers of the pool, which has been entered. Returns CALL_AGAIN
 * where one of them is late: it may still write to the results, which the request keeps for it.
 * Make others and run the call again, alone. */
int shared_call_run(struct request *request, double work, const struct plan *plan, int helpers);
/* After CALL_AGAIN: waits for the threads of that try, before anything that they can reach is given
 * back. */
void shared_call_end(struct request *request);

#endif
