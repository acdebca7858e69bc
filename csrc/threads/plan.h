/* How a call is cut for several threads, and how much memory that takes. Pure functions of the
 * call's sizes: no thread, no clock and no memory is touched.
 */
#ifndef PYLSTM_THREADS_PLAN_H
#define PYLSTM_THREADS_PLAN_H

#include "../core/network.h"

/* Rows and directions are independent of each other. Units have to be put together again after
 * every step. */
enum sharing { SHARE_NOTHING, SHARE_ROWS, SHARE_DIRECTIONS, SHARE_UNITS };

struct plan {
    enum sharing sharing;
    int threads;             /* the caller's among them */
    ptrdiff_t tasks, phases; /* tasks of a phase wait for the phase before; units: no tasks */
    bool brief;              /* over before a sleeping helper could come */
};

/* The plan for a call that may have up to "threads" threads. With "asked_for" the user has chosen
 * their number: then units may be shared too, and calls of tens of microseconds. */
struct plan plan_make(const struct rnn_net *net, const struct rnn_call *call, int threads,
                      bool asked_for);
/* True if threads may share units: the barrier stands at the end of a step, so no unit may need
 * what others have computed in the same step, as a projection and reset_before do; and h must be
 * where all threads see it, not in the scratch memory of each, as with unsorted lengths. */
bool plan_may_share_units(const struct rnn_net *net, const struct rnn_call *call);
/* Makes the plan one of fewer threads, where fewer can be had. */
void plan_limit(struct plan *plan, int threads);

/* SHARE_ROWS: the first row of task "task"; that of task "tasks" is the number of rows. */
ptrdiff_t plan_first_row(const struct plan *plan, const struct rnn_call *call, ptrdiff_t task);
/* True if one task's rows can be computed again without the others: they are one range of rows, with
 * results that are not too many to compute aside. */
bool plan_can_redo_rows(const struct plan *plan, const struct rnn_call *call);

/* Bytes of the memory that all threads need together. Returns -1 where that overflows. */
ptrdiff_t plan_workspace(const struct plan *plan, const struct rnn_net *net,
                         const struct rnn_call *call);
/* Returns "whole", a slice that is all of a call in a workspace of plan_workspace() bytes, with the
 * scratch memory of thread "thread". */
struct slice plan_slice(const struct plan *plan, struct slice whole, ptrdiff_t thread);
/* Returns task "task" of "whole", counted over all phases, with scratch memory that no other task
 * of its phase has. */
struct slice plan_task(const struct plan *plan, struct slice whole, ptrdiff_t task);

#endif
