/* Shared rows: where they begin, and what late helpers leave undone. Internal to csrc/core. */
#ifndef PYLSTM_CORE_STRAGGLER_H
#define PYLSTM_CORE_STRAGGLER_H

#include "team.h"

/* Fewer rows than this per thread, and the weights are streamed for too little. */
#define ROWS_PER_THREAD 4

/* The first row of task "task" of those that share them. */
ptrdiff_t plan_first_row(const struct rnn_call *call, const struct rnn_plan *plan, ptrdiff_t task);
/* Can the caller finish what late helpers leave undone, without doing all of it again? */
bool straggler_can_redo(const struct team *team);

/* team.c: tells helpers to leave; waits until nobody but the caller uses the team, and returns for
 * how many nanoseconds; leaves the pool, "lost" as for pool_leave(). */
void team_abandon(struct team *team);
uint64_t team_wait_for_helpers(const struct team *team);
void team_leave_pool(struct team *team, uint64_t lost);

#endif
