#include "team.h"

#include "../core/fpenv.h"
#include "../core/layout.h"

#define ADMISSION_NANOSECONDS 100000
/* A leader waits until a helper has had its task for this many times as long as the leader had its
 * own, which is no smaller: with rows the leader is soon done without it; else the whole call is
 * computed again. */
#define PATIENCE_WITH_ROWS 1.125
#define PATIENCE 1.5

/* ---- Tasks: rows or directions ---- */

static bool is_abandoned(void *data)
{
    struct team *team = data;
    return atomic_load_explicit(&team->barrier.abandoned, memory_order_relaxed);
}

void team_abandon(struct team *team) { atomic_store(&team->barrier.abandoned, true); }

static struct slice whole_call(const struct team *team)
{
    return whole_slice(&team->net, team->packed, &team->call, team->workspace);
}

/* One thread at the tasks. */
struct worker {
    struct team *team;
    const struct rnn_stop *stop;
    bool leads;
    uint64_t longest, waited; /* nanoseconds: its longest task, and all waits of the leader */
};

/* True if the helper that took the latest task has held it for longer than patience times the
 * leader's longest task. The leader waits for no other helper: a task that no helper has taken is
 * the leader's. */
static bool is_late(const struct worker *worker, uint64_t since, uint64_t now)
{
    struct team *team = worker->team;
    const double patience =
        plan_can_redo_rows(&team->plan, &team->call) ? PATIENCE_WITH_ROWS : PATIENCE;
    const uint64_t taken = atomic_load_explicit(&team->taken, memory_order_relaxed);

    return now - since > BARRIER_LEAST_PATIENCE && now > taken && /* not while we look */
           (double)(now - taken) > patience * (double)worker->longest;
}

/* Waits until "count" tasks are finished. Returns false where the call stopped, or where a helper
 * is late for the leader. */
static bool wait_for_tasks(struct worker *worker, ptrdiff_t count)
{
    struct team *team = worker->team;
    const uint64_t since = os_nanoseconds(), before = worker->waited;
    unsigned spins = 1;

    for (; atomic_load_explicit(&team->finished, memory_order_acquire) < count; spins++) {
        if (!worker->leads) {
            os_idle(spins);
            if (worker->stop->asked(worker->stop->data))
                return false;
            continue;
        }
        os_pause();
        if (spins % 256)
            continue;
        const uint64_t now = os_nanoseconds();
        worker->waited = before + (now - since);
        if ((worker->stop && worker->stop->asked(worker->stop->data)) ||
            is_late(worker, since, now))
            return false;
    }
    if (worker->leads &&
        spins > 256) /* as in barrier.c: most of a wait may come after the last look */
        worker->waited = before + (os_nanoseconds() - since);
    return true;
}

/* Takes tasks until there are none. The first is the leader's, since it is the largest: a helper
 * for which the leader then waits is late. */
static bool take_tasks(struct worker *worker)
{
    struct team *team = worker->team;
    const ptrdiff_t all = team->plan.tasks * team->plan.phases;
    ptrdiff_t task = worker->leads ? 0 : atomic_fetch_add(&team->next, 1);

    for (; task < all; task = atomic_fetch_add(&team->next, 1)) {
        if (!wait_for_tasks(worker, task / team->plan.tasks * team->plan.tasks))
            return false;
        const uint64_t taken = os_nanoseconds();
        if (!worker->leads)
            atomic_store_explicit(&team->taken, taken, memory_order_relaxed);
        const struct slice slice = plan_task(&team->plan, whole_call(team), task);
        if (!slice_run(&slice, worker->stop, NULL))
            return false;
        const uint64_t took = os_nanoseconds() - taken;
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

/* True if the helpers have stayed in another process. Then they never leave. */
static bool is_forked(const struct team *team) { return team->forks != pool_forks(); }

/* What a helper does. */
static void help(struct pool_job *job)
{
    struct team *team = (struct team *)job;
    const struct rnn_stop stop = {is_abandoned, team};
    const fpenv_t saved = fpenv_enter();
    struct barrier_member member;

    if (team->plan.sharing != SHARE_UNITS) {
        struct worker worker = {.team = team, .stop = &stop};
        take_tasks(&worker);
    } else if (barrier_join(&team->barrier, &member)) {
        const struct slice slice = plan_slice(&team->plan, whole_call(team), member.rank);
        slice_run(&slice, &stop, &member.share);
    }
    fpenv_leave(saved);
    leave(team, 1);
}

/* What the caller does, in nanoseconds "passed". */
static bool lead(struct team *team, uint64_t *passed)
{
    const fpenv_t saved = fpenv_enter();
    const uint64_t began = os_nanoseconds();
    bool finished;

    if (team->plan.sharing != SHARE_UNITS) {
        struct worker worker = {team, team->call.stop, .leads = true};
        finished = take_tasks(&worker);
        team->waited = worker.waited;
    } else {
        struct barrier_member member = barrier_lead(&team->barrier);
        const struct slice slice = plan_slice(&team->plan, whole_call(team), 0);
        finished = slice_run(&slice, team->call.stop, &member.share);
        team->waited = member.waited;
    }
    *passed = os_nanoseconds() - began;
    fpenv_leave(saved);
    return finished;
}

enum team_result team_run(struct team *team, struct pool *pool, int helpers)
{
    const struct rnn_stop *stop = team->call.stop;
    uint64_t passed;
    bool finished, stopped;

    team->job.run = help;
    if (team->call.within) {
        team->within = *team->call.within;
        team->call.within = &team->within;
    }
    team->forks = pool_forks();
    team->pool = pool;
    team->began = os_nanoseconds();
    team->barrier.hidden = team->net.hidden_size;
    team->barrier.lanes = layout_shared_units(&team->net);
    team->barrier.expected = helpers;
    team->barrier.admission = ADMISSION_NANOSECONDS;
    atomic_store(&team->next, 1);
    atomic_store(&team->users, 1 + helpers);
    pool_post(pool, &team->job, helpers);
    finished = lead(team, &passed);
    stopped = !finished && stop && stop->asked(stop->data);
    if (finished || stopped) /* a helper that comes after the end has nothing to do */
        team_abandon(team);
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
    const uint64_t since = os_nanoseconds();

    for (unsigned spins = 0; atomic_load_explicit(&team->users, memory_order_acquire) > 1;
         spins++) {
        if (is_forked(team))
            return 0;
        os_idle(spins);
    }
    return os_nanoseconds() - since;
}

void team_give_up(struct team *team)
{
    team->given_up = true;
    team_abandon(team);
    team_leave_pool(team, os_nanoseconds() - team->began);
}

void team_end(struct team *team)
{
    const uint64_t lost = team_wait_for_helpers(team);

    if (team->given_up)
        pool_regret(team->pool, team->forks, lost);
    team->release(team);
}
