/* Threads that share the hidden units of every step, and wait for each other after it.
 *
 * The leader never waits for anyone to come: it works alone until helpers have arrived, says from
 * which step on they take part, and from then on each has its own panels of units. Internal to
 * csrc/core.
 */
#ifndef PYLSTM_CORE_BARRIER_H
#define PYLSTM_CORE_BARRIER_H

#include "rnn.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BARRIER_MOST_MEMBERS 64
/* What a leader waits for helpers at the least, in nanoseconds. */
#define BARRIER_LEAST_PATIENCE 100000

/* What all of them see. Zeroed, then the first four set. */
struct barrier {
    ptrdiff_t hidden, lanes; /* units, and units per panel of the kernels */
    int expected;            /* helpers that may arrive */
    uint64_t admission;      /* nanoseconds after which the leader goes on with who is there */

    atomic_int arrived;    /* helpers; with BARRIER_CLOSED no more are taken */
    atomic_int members;    /* the leader and those taken; 0 until that is known */
    ptrdiff_t first_step;  /* the first step that they share; set before "members" */
    atomic_bool abandoned; /* whoever sees it leaves */
    struct {
        alignas(128) atomic_ptrdiff_t steps; /* steps that this member has finished */
    } progress[BARRIER_MOST_MEMBERS];
};

/* What one of them knows. */
struct barrier_member {
    struct barrier *team;
    int rank; /* 0: the leader */
    bool shares;
    ptrdiff_t step;
    uint64_t began, waited; /* nanoseconds; short waits do not count */
};

struct barrier_member barrier_lead(struct barrier *team);
/* A helper arrives. Returns false where the team goes on without it. */
bool barrier_join(struct barrier *team, struct barrier_member *view);
bool barrier_leads(const struct barrier_member *view);
/* Does this member compute a part of step "step", counted over all scans? Then [*first, *end)
 * are its units. */
bool barrier_slice(struct barrier_member *view, ptrdiff_t step, ptrdiff_t *first, ptrdiff_t *end);
/* This member's part is done: waits for the others'. Returns false where the team is abandoned;
 * the leader abandons it when "stop" asks for that, which may be NULL, or when the others keep it
 * waiting for too long. */
bool barrier_wait(struct barrier_member *view, const struct rnn_stop *stop);

#endif
