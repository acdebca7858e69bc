/* The barrier of threads that share the hidden units of every step: each waits after a step until
 * the others have finished it.
 *
 * The leader works alone until helpers have arrived, and says from which step on they take part.
 * From then on each member computes its own panels of units. The leader gives the call up where a
 * helper makes no step for half of the call's time, or where "stop" asks for it.
 */
#ifndef PYLSTM_THREADS_BARRIER_H
#define PYLSTM_THREADS_BARRIER_H

#include "../core/rnn.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BARRIER_MOST_MEMBERS 64
/* What a leader waits for helpers at the least, in nanoseconds. */
#define BARRIER_LEAST_PATIENCE 100000

/* What all members see. Zeroed, then the first four set. */
struct barrier {
    ptrdiff_t hidden, lanes; /* units, and so many of them are dealt out together */
    int expected;            /* helpers that may arrive */
    uint64_t admission; /* nanoseconds after which the leader goes on with those that are there */

    atomic_int arrived;    /* helpers; with BARRIER_CLOSED no more are taken */
    atomic_int members;    /* the leader and those taken; 0 until that is known */
    ptrdiff_t first_step;  /* the first step that they share; set before "members" */
    atomic_bool abandoned; /* a member that sees it leaves */
    struct {
        alignas(128) atomic_ptrdiff_t steps; /* steps that this member has finished */
    } progress[BARRIER_MOST_MEMBERS];
};

/* One member's view of it. */
struct barrier_member {
    struct rnn_share share; /* what the core asks; first, since the core hands back its address */
    struct barrier *barrier;
    int rank; /* 0: the leader */
    ptrdiff_t step;
    uint64_t began, waited; /* nanoseconds; short waits do not count */
};

/* The view of the leader, which is there from the beginning. */
struct barrier_member barrier_lead(struct barrier *barrier);
/* Fills "member" for a helper that arrives. Returns false where the others go on without it. */
bool barrier_join(struct barrier *barrier, struct barrier_member *member);

#endif
