/* One call and the threads that work on it: the caller, which leads, and helpers of a pool.
 *
 * The bits of the result are those of rnn_forward(), however the call is cut.
 *
 * The states of a team, and what leads from one to the next:
 *
 *     made ---- team_run() ----> running --+--> TEAM_DONE: pool and team are left
 *                                          |
 *                                          +--> TEAM_STOPPED ----------------- team_end() ---> gone
 *                                          |
 *                                          +--> TEAM_LATE --+- straggler_redo() -------------> gone
 *                                                           |
 *                                                           +- team_give_up() -- team_end() -> gone
 *
 * In TEAM_LATE the team still has the pool, which straggler_redo() or team_give_up() leaves.
 * "Gone" means that release() has been called, by the last thread that used the team.
 */
#ifndef PYLSTM_THREADS_TEAM_H
#define PYLSTM_THREADS_TEAM_H

#include "pool.h"

#include "barrier.h"
#include "plan.h"

/* A helper may be late, and still look at the team when the caller has gone on: so the team owns
 * its memory until the last of its users has left. */
struct team {
    struct pool_job job;
    struct rnn_net net;
    const void *packed;
    struct rnn_call call;
    struct rnn_within within; /* what call.within points to, from team_run() on */
    struct plan plan;
    char *workspace; /* 64-byte aligned, plan_workspace() bytes, the team's own */
    /* Called by the last user, in any thread: gives back team and workspace. */
    void (*release)(struct team *team);

    uint_fast64_t forks; /* pool_forks() at the start */
    struct pool *pool;   /* until the call leaves it */
    uint64_t began;      /* nanoseconds */
    uint64_t waited;     /* how many of them the leader waited for helpers */
    bool given_up;       /* the call is computed again, alone */
    atomic_int users;
    alignas(128) atomic_ptrdiff_t next;     /* task that no thread has taken yet */
    alignas(128) atomic_ptrdiff_t finished; /* tasks */
    atomic_uint_fast64_t taken;             /* when a helper last took a task, nanoseconds */
    atomic_uint_fast64_t rows_done;         /* SHARE_ROWS: one bit for each task */
    uint64_t rows_missing;                  /* the bits of those that were not when time was up */
    struct barrier barrier;
};

enum team_result {
    TEAM_DONE,
    TEAM_STOPPED, /* call->stop ended it */
    TEAM_LATE,    /* a helper keeps the caller waiting for longer than the work would take */
};

/* Runs the call of a team whose fields from "net" to "release" are set and whose others are zero,
 * with "helpers" helpers of a pool that the caller has entered. After TEAM_DONE no thread touches
 * what the call points to, and pool and team are left. Otherwise helpers may still read the packed
 * weights and the inputs and write to the results. */
enum team_result team_run(struct team *team, struct pool *pool, int helpers);
/* After TEAM_LATE: tells the helpers to leave, and leaves the pool. */
void team_give_up(struct team *team);
/* After TEAM_STOPPED or team_give_up(): waits until all helpers have left, which takes them one
 * step once they have a processor. Then the team is gone, its call unfinished. */
void team_end(struct team *team);

/* ---- For straggler.c ---- */

/* Tells the helpers to leave after the step that they are at. */
void team_abandon(struct team *team);
/* Waits until the caller alone uses the team. Returns for how many nanoseconds. */
uint64_t team_wait_for_helpers(const struct team *team);
/* Leaves the pool; "lost" as for pool_leave(). */
void team_leave_pool(struct team *team, uint64_t lost);

#endif
