/* One call as threads share it: its data, its plan, and the bytes that it must give. */
#ifndef PYLSTM_TESTS_TEAM_RUNS_H
#define PYLSTM_TESTS_TEAM_RUNS_H

#include "../../csrc/threads/straggler.h"
#include "network_runs.h"

/* Memory at 64 bytes, for aligned_release(). Ends the program where there is none. */
void *team_allocate(size_t size);

/* A call, what rnn_forward() makes of it, and room for what a team makes of it. */
struct subject {
    struct network_data data;
    struct rnn_net net;
    struct rnn_call call; /* its results lie in "results" */
    void *packed;
    size_t result_bytes;
    unsigned char *expected, *results;
    void *inputs;
    struct rnn_within *within;
    int64_t *numbers; /* lengths, order and sizes */
};
/* Of the shape, gap, y_is_h_n and dropout are not used. Of compressed weights "level" is a flavour. */
struct subject subject_make(const struct network_shape *shape, const char *level);
void subject_free(struct subject *subject);
/* Fills the results with bytes that are wrong. */
void subject_spoil(struct subject *subject);
/* True if the results have the expected bits, or are NaN where NaN is expected. */
bool subject_is_right(const struct subject *subject);
/* rnn_forward() into the subject's results. */
void subject_run_alone(struct subject *subject);

/* A plan as plan_make() would not always make it. False: the call cannot be shared like that. */
bool plan_force(const struct subject *subject, enum sharing sharing, int threads,
                struct plan *plan);
const char *sharing_name(enum sharing sharing);

/* How many teams were made, and how many of them have been released. */
extern atomic_long teams_made, teams_released;
/* A team on memory of its own, which its last user gives back. */
struct team *team_make(const struct subject *subject, const struct plan *plan);
/* Enters the pool, however often it takes to be let in, with as many helpers as the plan has.
 * Ends the program where no thread can be had. */
int pool_insist(struct pool *pool, const struct plan *plan);

/* True if this process has so many threads. A thread that was joined may take a moment to
 * vanish. */
bool thread_count_becomes(int count);

#endif
