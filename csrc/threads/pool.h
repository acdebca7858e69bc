/* A pool of helper threads for calls that several threads work on.
 *
 * No thread exists before the first call that wants one, none spins for long after its work, and
 * one caller at a time has the pool: a caller that finds it taken works alone. A pool is a handle
 * that its user owns; zero bytes are a pool that has never been used. After a fork the child's pool
 * is as if never used, whatever the parent's threads were doing.
 */
#ifndef PYLSTM_THREADS_POOL_H
#define PYLSTM_THREADS_POOL_H

#include "os.h"

#include <stdalign.h>
#include <stdatomic.h>

#define POOL_MOST_HELPERS 63

/* What helpers run. "run" is called once by each helper that it was posted to and not taken back
 * from, and does not touch the job after it has said, in the job's own way, that it is done. */
struct pool_job {
    void (*run)(struct pool_job *job);
};

struct pool;

struct pool_helper {
    /* NULL: free. The helper itself: at work. Else posted, and not yet taken. */
    alignas(128) _Atomic(void *) job;
    atomic_bool asleep;
    struct pool *pool;
    os_mutex mutex;
    os_condition wake;
    os_thread thread;
    os_processors processors; /* where it was last told to run */
};

struct pool {
    atomic_uint_fast64_t owner; /* forks << 1, + 1 while a caller has the pool */
    atomic_bool closing;
    atomic_uint_fast64_t ended; /* when a call that wanted helpers was last done, nanoseconds */
    /* What follows belongs to the caller that has the pool. */
    bool closed;
    int started;
    uint64_t penalty, backoff_until; /* nanoseconds: how long the latest backoff is, and its end */
    uint64_t series_began;           /* the first of calls that follow each other at once */
    struct pool_helper helpers[POOL_MOST_HELPERS];
};

/* Once, when the library is loaded and before any fork: lets pools notice forks. */
void pool_watch_forks(void);
/* How many forks lie behind this process. Where that changes under a caller, it goes on in a child
 * that a signal's handler has made, and its helpers have stayed in the parent. */
uint_fast64_t pool_forks(void);

/* Takes the pool for one call. Returns how many of at most "wanted" helpers can be posted to,
 * starting threads where there are fewer; 0 where another caller has the pool, no thread can be
 * had, or a backoff lasts because helpers were late, and then there is nothing to leave. A "brief"
 * call, over before a helper has woken, has only those that are awake, until a series of such
 * calls has gone on for a while. */
int pool_enter(struct pool *pool, int wanted, bool brief);
/* A call that was turned away has ended. */
void pool_note_end(struct pool *pool);
/* Posts "job" to "count" free helpers, as many as pool_enter() returned. */
void pool_post(struct pool *pool, struct pool_job *job, int count);
/* Takes "job" back from helpers that have not begun it. Returns from how many. */
int pool_retract(struct pool *pool, struct pool_job *job);
/* Gives the pool to the next caller; helpers that are still at work are not offered again
 * before they have finished. "entered" is what pool_forks() said when the pool was entered. "lost"
 * is what helpers cost a call that they kept waiting, in nanoseconds, else 0: the machine is busy
 * then, and the pool backs off for many times as long, twice as long every time. */
void pool_leave(struct pool *pool, uint_fast64_t entered, uint64_t lost);
/* What late helpers cost a call beyond what it said when it left the pool: the backoff begins anew,
 * and is longer by that. */
void pool_regret(struct pool *pool, uint_fast64_t entered, uint64_t lost);
/* Ends all threads, after the work that they are at. The pool stays unusable. */
void pool_close(struct pool *pool);

#endif
