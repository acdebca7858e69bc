#include "plan.h"

#include "../core/layout.h"
#include "../core/sequence.h"

/* Multiply-adds per second are guessed from the vector length: half of what a good core reaches,
 * so that times are guessed too long and never far too short. */
#define MULTIPLY_ADDS_PER_LANE 2.0e9
/* Seconds of work that each thread must have: by default, and where threads were asked for. (One
 * step of hidden 256, 16e-6 by this guess, takes half the time with two.) */
#define WORK_PER_THREAD 500e-6
#define WORK_PER_THREAD_ASKED 8e-6
/* Seconds of one step that are worth a barrier after it, which costs about 0.1 us. */
#define WORK_PER_BARRIER 0.4e-6
/* With fewer rows than this per thread, the weights are streamed for too little. */
#define ROWS_PER_THREAD 4
/* From this many rows on, rows are cheaper to share than units. */
#define MANY_ROWS 16
/* Seconds of work from which on it pays to wake helpers for one call: a helper needs about 50 us to
 * come, and the caller 10 us to wake it. */
#define BRIEF_WORK 600e-6

static int at_most(double count, int threads) { return count < threads ? (int)count : threads; }

bool plan_may_share_units(const struct rnn_net *net, const struct rnn_call *call)
{
    return net->proj_size == 0 && !net->variant.reset_before && sequence_order(call) == NULL;
}

struct plan plan_make(const struct rnn_net *net, const struct rnn_call *call, int threads,
                      bool asked_for)
{
    const double least = asked_for ? WORK_PER_THREAD_ASKED : WORK_PER_THREAD;
    const double rate = MULTIPLY_ADDS_PER_LANE * (double)net->kernels->lanes;
    const double seconds = rnn_work(rnn_row_work(net), call) / rate;
    const double steps = (double)call->steps * (double)net->num_layers * net->num_directions;
    const ptrdiff_t each = layout_shared_units(net);
    const ptrdiff_t panels = (net->hidden_size + each - 1) / each;
    struct plan plan = {
        .threads = at_most(seconds / least, threads),
        .brief = seconds < BRIEF_WORK,
    };

    if (plan.threads < 2 || call->dropout > 0)
        return (struct plan){.threads = 1}; /* masks are drawn in one order */
    if (asked_for && plan_may_share_units(net, call) && call->batch < MANY_ROWS && panels > 1 &&
        seconds / steps > WORK_PER_BARRIER * plan.threads &&
        !(net->num_directions == 2 && plan.threads == 2)) {
        plan.sharing = SHARE_UNITS;
        plan.threads = at_most((double)panels, plan.threads);
    } else if (call->batch >= 2 * ROWS_PER_THREAD &&
               (call->batch >= MANY_ROWS || net->num_directions == 1)) {
        plan.sharing = SHARE_ROWS;
        plan.threads = at_most((double)(call->batch / ROWS_PER_THREAD), plan.threads);
        plan.tasks = plan.threads;
        plan.phases = 1;
    } else if (net->num_directions == 2) {
        plan.sharing = SHARE_DIRECTIONS;
        plan.threads = 2;
        plan.tasks = 2;
        plan.phases = net->num_layers;
    } else
        plan.threads = 1;
    return plan;
}

void plan_limit(struct plan *plan, int threads)
{
    plan->threads = at_most(plan->threads, threads);
    if (plan->sharing == SHARE_ROWS)
        plan->tasks = plan->threads;
}

/* A row more or less is not felt where there are many: then tasks begin at whole tiles of four
 * rows. The first task has the most rows. */
ptrdiff_t plan_first_row(const struct plan *plan, const struct rnn_call *call, ptrdiff_t task)
{
    const ptrdiff_t tile = call->batch < 8 * ROWS_PER_THREAD * plan->tasks ? 1 : ROWS_PER_THREAD;
    const ptrdiff_t tiles = (call->batch + tile - 1) / tile;
    const ptrdiff_t row = (tiles * task + plan->tasks - 1) / plan->tasks * tile;

    return row < call->batch ? row : call->batch;
}

bool plan_can_redo_rows(const struct plan *plan, const struct rnn_call *call)
{
    /* Of lengths, as of packed sequences, each range of rows has sizes of its own. */
    return plan->sharing == SHARE_ROWS && sequence_sizes(call) == NULL && !rnn_is_traced(call);
}

/* Bytes of each thread's own memory: what the task that needs most has. More rows may need less,
 * since from a few rows on no input gates are precomputed. */
static ptrdiff_t scratch_size(const struct plan *plan, const struct rnn_net *net,
                              const struct rnn_call *call)
{
    ptrdiff_t most = 0;

    if (plan->sharing != SHARE_ROWS)
        return scratch_layout(net, call, call->batch).size;
    for (ptrdiff_t task = 0; task < plan->tasks; task++) {
        const ptrdiff_t rows =
            plan_first_row(plan, call, task + 1) - plan_first_row(plan, call, task);
        const ptrdiff_t size = scratch_layout(net, call, rows).size;
        if (size < 0)
            return -1;
        most = size > most ? size : most;
    }
    return most;
}

ptrdiff_t plan_workspace(const struct plan *plan, const struct rnn_net *net,
                         const struct rnn_call *call)
{
    const ptrdiff_t buffer = layer_buffer_size(net, call);
    const ptrdiff_t scratch = scratch_size(plan, net, call);

    if (buffer < 0 || scratch < 0 || scratch > (PTRDIFF_MAX - buffer) / plan->threads)
        return -1;
    return buffer + plan->threads * scratch;
}

struct slice plan_slice(const struct plan *plan, struct slice whole, ptrdiff_t thread)
{
    whole.scratch += thread * scratch_size(plan, whole.net, whole.call);
    return whole;
}

struct slice plan_task(const struct plan *plan, struct slice whole, ptrdiff_t task)
{
    const ptrdiff_t place = task % plan->tasks;
    struct slice slice = plan_slice(plan, whole, place);

    if (plan->sharing == SHARE_ROWS) {
        slice.first_row = plan_first_row(plan, whole.call, place);
        slice.rows = plan_first_row(plan, whole.call, place + 1) - slice.first_row;
    } else {
        slice.first_layer = task / plan->tasks;
        slice.end_layer = slice.first_layer + 1;
        slice.first_direction = (int)place;
        slice.end_direction = (int)place + 1;
    }
    return slice;
}
