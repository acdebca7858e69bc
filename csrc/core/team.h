/* One call shared among threads: what is shared, and when that pays.
 *
 * The bits of the result are those of rnn_forward(), whoever computes what.
 */
#ifndef PYLSTM_CORE_TEAM_H
#define PYLSTM_CORE_TEAM_H

#include "threads.h"

#include "barrier.h"
#include "rnn.h"

/* How a call is cut. Rows and directions are independent of each other; units have to be put
 * together again after every step. */
enum rnn_sharing { SHARE_NOTHING, SHARE_ROWS, SHARE_DIRECTIONS, SHARE_UNITS };

struct rnn_plan {
    enum rnn_sharing sharing;
    int threads;             /* the caller's among them */
    ptrdiff_t tasks, phases; /* tasks of a phase wait for the phase before; units: no tasks */
    bool brief;              /* over before a helper that sleeps could come */
};

/* The plan for a call that may have up to "threads" threads. With "asked_for" the user has chosen
 * their number: then units may be shared too, and calls of tens of microseconds. */
struct rnn_plan rnn_plan(const struct rnn_net *net, const struct rnn_call *call, int threads,
                         bool asked_for);

/* Makes a plan that of fewer threads, where fewer can be had. */
void rnn_plan_limit(struct rnn_plan *plan, int threads);

/* A call and the threads that work on it. Helpers may be late, still looking at the team when the
 * caller has long gone on: so it owns its memory, until the last of its users has left. */
struct team {
    struct pool_job job;
    struct rnn_net net;
    const void *packed;
    struct rnn_call call;
    struct rnn_plan plan;
    char *workspace; /* 64-byte aligned, team_workspace() bytes, the team's own */
    /* Called by the last user, in any thread: gives back team and workspace. */
    void (*release)(struct team *team);

    uint_fast64_t forks; /* pool_forks() at the start */
    struct pool *pool;   /* until the call leaves it */
    uint64_t began;      /* nanoseconds */
    uint64_t waited;     /* how many of them the leader waited for helpers */
    bool given_up;       /* the call is computed again, alone */
    atomic_int users;
    alignas(128) atomic_ptrdiff_t next;     /* task that nobody has taken yet */
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

/* Bytes, -1 where that overflows. */
ptrdiff_t team_workspace(const struct rnn_net *net, const struct rnn_call *call,
                         const struct rnn_plan *plan);

/* Runs the call of a team whose first seven fields are set and whose others are zero, with
 * "helpers" helpers of a pool that the caller has entered. After TEAM_DONE nobody touches what the
 * call points to any more, and pool and team are left. Else helpers may still read the packed
 * weights and the inputs and write to the results. After TEAM_LATE either straggler_redo() or
 * team_give_up() leaves the pool. */
enum team_result team_run(struct team *team, struct pool *pool, int helpers);
/* After TEAM_LATE: bytes that straggler_redo() needs; -1 where it cannot help, since the call does
 * not share rows or is packed. */
ptrdiff_t straggler_workspace(const struct team *team);
/* After TEAM_LATE: finishes the call by computing the rows that are missing, in "memory" (64-byte
 * aligned), until that is done or the helpers have done it after all. Then pool and team are left.
 * Returns false where call->stop ended it. */
bool straggler_redo(struct team *team, void *memory);
/* After TEAM_LATE: tells the helpers to leave, and leaves the pool. */
void team_give_up(struct team *team);
/* After TEAM_STOPPED, or when given up: waits until all helpers have left, for one step at most
 * once they have a processor. Then the team is gone, its call unfinished. */
void team_end(struct team *team);

#endif
