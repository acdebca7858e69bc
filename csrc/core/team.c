#include "team.h"

#include "fpenv.h"
#include "slice.h"
#include "straggler.h"

/* ---- The plan ---- */

/* Multiply-adds per second are guessed from the vector length: half of what a good core reaches,
 * so that times are guessed too long and never far too short. */
#define MULTIPLY_ADDS_PER_LANE 2.0e9
/* Seconds of work that each thread must have: by default, and where threads were asked for. (One
 * step of hidden 256, 16e-6 by this guess, takes half the time with two.) */
#define WORK_PER_THREAD 500e-6
#define WORK_PER_THREAD_ASKED 8e-6
/* Seconds of one step that are worth a meeting after it, which costs about 0.1 us. */
#define WORK_PER_MEETING 0.4e-6
/* From this many rows on, rows are cheaper to share than units. */
#define MANY_ROWS 16
/* Seconds of work from which on it pays to wake helpers for one call: they need about 50 us to come,
 * and the caller 10 to wake them. */
#define BRIEF_WORK 600e-6
#define ADMISSION_NANOSECONDS 100000
/* A leader waits until a helper has had its task for this many times as long as the leader had its
 * own, which is no smaller: with rows the leader is soon done without it; else the whole call is
 * computed again. */
#define PATIENCE_WITH_ROWS 1.125
#define PATIENCE 1.5

static int at_most(double count, int threads) { return count < threads ? (int)count : threads; }

struct rnn_plan rnn_plan(const struct rnn_net *net, const struct rnn_call *call, int threads,
                         bool asked_for)
{
    const double least = asked_for ? WORK_PER_THREAD_ASKED : WORK_PER_THREAD;
    const double rate = MULTIPLY_ADDS_PER_LANE * (double)net->kernels->lanes;
    const double seconds = rnn_work(net, call) / rate;
    const double steps = (double)call->steps * (double)net->num_layers * net->num_directions;
    const ptrdiff_t panels = (net->hidden_size + net->kernels->lanes - 1) / net->kernels->lanes;
    struct rnn_plan plan = {
        .threads = at_most(seconds / least, threads),
        .brief = seconds < BRIEF_WORK,
    };

    if (plan.threads < 2 || call->dropout > 0)
        return (struct rnn_plan){.threads = 1}; /* masks are drawn in one order */
    if (asked_for && net->proj_size == 0 && call->batch < MANY_ROWS && panels > 1 &&
        seconds / steps > WORK_PER_MEETING * plan.threads &&
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

void rnn_plan_limit(struct rnn_plan *plan, int threads)
{
    plan->threads = at_most(plan->threads, threads);
    if (plan->sharing == SHARE_ROWS)
        plan->tasks = plan->threads;
}

/* ---- Parts ---- */

/* Bytes of each thread's own memory: what the slice that needs most has. More rows may need less,
 * since from a few rows on nothing is computed ahead. */
static ptrdiff_t own_size(const struct rnn_net *net, const struct rnn_call *call,
                          const struct rnn_plan *plan)
{
    ptrdiff_t most = 0;

    if (plan->sharing != SHARE_ROWS)
        return scratch_layout(net, call, call->batch).size;
    for (ptrdiff_t task = 0; task < plan->tasks; task++) {
        const ptrdiff_t rows =
            plan_first_row(call, plan, task + 1) - plan_first_row(call, plan, task);
        const ptrdiff_t size = scratch_layout(net, call, rows).size;
        if (size < 0)
            return -1;
        most = size > most ? size : most;
    }
    return most;
}

ptrdiff_t team_workspace(const struct rnn_net *net, const struct rnn_call *call,
                         const struct rnn_plan *plan)
{
    const ptrdiff_t buffer = layer_buffer_size(net, call);
    const ptrdiff_t own = own_size(net, call, plan);

    if (buffer < 0 || own < 0 || own > (PTRDIFF_MAX - buffer) / plan->threads)
        return -1;
    return buffer + plan->threads * own;
}

/* The whole call, with the own memory of thread "thread". */
static struct slice team_slice(const struct team *team, ptrdiff_t thread)
{
    struct slice slice = whole_slice(&team->net, team->packed, &team->call, team->workspace);

    slice.scratch += thread * own_size(&team->net, &team->call, &team->plan);
    return slice;
}

/* ---- Tasks: rows or directions ---- */

static bool is_abandoned(void *data)
{
    struct team *team = data;
    return atomic_load_explicit(&team->barrier.abandoned, memory_order_relaxed);
}

void team_abandon(struct team *team) { atomic_store(&team->barrier.abandoned, true); }

static bool run_task(struct team *team, ptrdiff_t task, const struct rnn_stop *stop)
{
    const struct rnn_plan *plan = &team->plan;
    const ptrdiff_t place = task % plan->tasks;
    struct slice slice = team_slice(team, place);

    if (plan->sharing == SHARE_ROWS) {
        slice.first_row = plan_first_row(&team->call, plan, place);
        slice.rows = plan_first_row(&team->call, plan, place + 1) - slice.first_row;
    } else {
        slice.first_layer = task / plan->tasks;
        slice.end_layer = slice.first_layer + 1;
        slice.first_direction = (int)place;
        slice.end_direction = (int)place + 1;
    }
    return slice_run(&slice, stop, NULL);
}

/* One thread at the tasks. */
struct worker {
    struct team *team;
    const struct rnn_stop *stop;
    bool leads;
    uint64_t longest, waited; /* nanoseconds: its longest task, and all waits of the leader */
};

/* Has whoever took the latest task had it for too long? Nobody else is waited for: a task that no
 * helper has taken is the leader's. */
static bool is_late(const struct worker *worker, uint64_t since, uint64_t now)
{
    struct team *team = worker->team;
    const double patience = straggler_can_redo(team) ? PATIENCE_WITH_ROWS : PATIENCE;
    const uint64_t taken = atomic_load_explicit(&team->taken, memory_order_relaxed);

    return now - since > BARRIER_LEAST_PATIENCE && now > taken && /* not while we look */
           (double)(now - taken) > patience * (double)worker->longest;
}

/* Waits until "count" tasks are finished. Returns false where the call stopped, or the leader has
 * lost its patience. */
static bool wait_for_tasks(struct worker *worker, ptrdiff_t count)
{
    struct team *team = worker->team;
    const uint64_t since = system_nanoseconds(), before = worker->waited;
    unsigned spins = 1;

    for (; atomic_load_explicit(&team->finished, memory_order_acquire) < count; spins++) {
        if (!worker->leads) {
            system_idle(spins);
            if (worker->stop->asked(worker->stop->data))
                return false;
            continue;
        }
        system_pause();
        if (spins % 256)
            continue;
        const uint64_t now = system_nanoseconds();
        worker->waited = before + (now - since);
        if ((worker->stop && worker->stop->asked(worker->stop->data)) ||
            is_late(worker, since, now))
            return false;
    }
    if (worker->leads && spins > 256) /* as in barrier.c: the last part may be most of it */
        worker->waited = before + (system_nanoseconds() - since);
    return true;
}

/* Takes tasks until there are none. The first is the leader's, since it is the largest: whom the
 * leader then waits for is late. */
static bool take_tasks(struct worker *worker)
{
    struct team *team = worker->team;
    const ptrdiff_t all = team->plan.tasks * team->plan.phases;
    ptrdiff_t task = worker->leads ? 0 : atomic_fetch_add(&team->next, 1);

    for (; task < all; task = atomic_fetch_add(&team->next, 1)) {
        if (!wait_for_tasks(worker, task / team->plan.tasks * team->plan.tasks))
            return false;
        const uint64_t taken = system_nanoseconds();
        if (!worker->leads)
            atomic_store_explicit(&team->taken, taken, memory_order_relaxed);
        if (!run_task(team, task, worker->stop))
            return false;
        const uint64_t took = system_nanoseconds() - taken;
        worker->longest = took > worker->longest ? took : worker->longest;
        if (team->plan.sharing == SHARE_ROWS)
            atomic_fetch_or_explicit(&team->rows_done, UINT64_C(1) << task, memory_order_release);
        atomic_fetch_add_explicit(&team->finished, 1, memory_order_release);
    }
    return !worker->leads || wait_for_tasks(worker, all);
}

/* ---- The threads ---- */

static void leave(struct team *team, int users)
{
    if (atomic_fetch_sub_explicit(&team->users, users, memory_order_acq_rel) == users)
        team->release(team);
}

/* Have the helpers stayed in another process? Then they never leave. */
static bool is_forked(const struct team *team) { return team->forks != pool_forks(); }

/* What a helper does. */
static void help(struct pool_job *job)
{
    struct team *team = (struct team *)job;
    const struct rnn_stop stop = {is_abandoned, team};
    const fpenv_t saved = fpenv_enter();
    struct barrier_member view;

    if (team->plan.sharing != SHARE_UNITS) {
        struct worker worker = {.team = team, .stop = &stop};
        take_tasks(&worker);
    } else if (barrier_join(&team->barrier, &view)) {
        const struct slice slice = team_slice(team, view.rank);
        slice_run(&slice, &stop, &view);
    }
    fpenv_leave(saved);
    leave(team, 1);
}

/* What the caller does, in nanoseconds "passed". */
static bool lead(struct team *team, uint64_t *passed)
{
    const fpenv_t saved = fpenv_enter();
    const uint64_t began = system_nanoseconds();
    bool finished;

    if (team->plan.sharing != SHARE_UNITS) {
        struct worker worker = {team, team->call.stop, .leads = true};
        finished = take_tasks(&worker);
        team->waited = worker.waited;
    } else {
        struct barrier_member view = barrier_lead(&team->barrier);
        const struct slice slice = team_slice(team, 0);
        finished = slice_run(&slice, team->call.stop, &view);
        team->waited = view.waited;
    }
    *passed = system_nanoseconds() - began;
    fpenv_leave(saved);
    return finished;
}

enum team_result team_run(struct team *team, struct pool *pool, int helpers)
{
    const struct rnn_stop *stop = team->call.stop;
    uint64_t passed;
    bool finished, stopped;

    team->job.run = help;
    team->forks = pool_forks();
    team->pool = pool;
    team->began = system_nanoseconds();
    team->barrier.hidden = team->net.hidden_size;
    team->barrier.lanes = team->net.kernels->lanes;
    team->barrier.expected = helpers;
    team->barrier.admission = ADMISSION_NANOSECONDS;
    atomic_store(&team->next, 1);
    atomic_store(&team->users, 1 + helpers);
    pool_post(pool, &team->job, helpers);
    finished = lead(team, &passed);
    stopped = !finished && stop && stop->asked(stop->data);
    if (finished || stopped)
        team_abandon(team); /* where it is finished too: whoever comes now has nothing to do */
    atomic_fetch_sub(&team->users, pool_retract(pool, &team->job));
    team->rows_missing = ~(uint64_t)atomic_load_explicit(&team->rows_done, memory_order_acquire);
    if (!finished && !stopped)
        return TEAM_LATE;
    const uint64_t alone = (uint64_t)(1 + helpers) * (passed - team->waited);
    team_leave_pool(team, finished && passed > alone ? passed - alone : 0);
    if (stopped)
        return TEAM_STOPPED;
    leave(team, is_forked(team) ? atomic_load(&team->users) : 1);
    return TEAM_DONE;
}

void team_leave_pool(struct team *team, uint64_t lost)
{
    pool_leave(team->pool, team->forks, lost);
}

uint64_t team_wait_for_helpers(const struct team *team)
{
    const uint64_t since = system_nanoseconds();

    for (unsigned spins = 0; atomic_load_explicit(&team->users, memory_order_acquire) > 1;
         spins++) {
        if (is_forked(team))
            return 0;
        system_idle(spins);
    }
    return system_nanoseconds() - since;
}

void team_give_up(struct team *team)
{
    team->given_up = true;
    team_abandon(team);
    team_leave_pool(team, system_nanoseconds() - team->began);
}

void team_end(struct team *team)
{
    const uint64_t lost = team_wait_for_helpers(team);

    if (team->given_up)
        pool_regret(team->pool, team->forks, lost);
    team->release(team);
}
