#include "system.h"

#include "barrier.h"

#define BARRIER_CLOSED 0x10000

struct barrier_member barrier_lead(struct barrier *team)
{
    return (struct barrier_member){.team = team, .began = system_nanoseconds()};
}

bool barrier_join(struct barrier *team, struct barrier_member *view)
{
    const int others = atomic_fetch_add(&team->arrived, 1);
    int members = 0;

    if (others >= BARRIER_CLOSED)
        return false;
    for (unsigned spins = 0; members == 0; spins++) {
        if (atomic_load_explicit(&team->abandoned, memory_order_relaxed))
            return false;
        system_idle(spins);
        members = atomic_load_explicit(&team->members, memory_order_acquire);
    }
    *view = (struct barrier_member){.team = team, .rank = others + 1};
    return true;
}

bool barrier_leads(const struct barrier_member *view) { return view->rank == 0; }

/* The leader looks for helpers before step "step". */
static void admit(struct barrier_member *view, ptrdiff_t step)
{
    struct barrier *team = view->team;
    const int there = atomic_load_explicit(&team->arrived, memory_order_relaxed);

    if (there == 0 ||
        (there < team->expected && system_nanoseconds() - view->began < team->admission))
        return;
    team->first_step = step;
    const int taken = atomic_fetch_add(&team->arrived, BARRIER_CLOSED);
    for (int rank = 0; rank <= taken; rank++)
        atomic_store_explicit(&team->progress[rank].steps, step, memory_order_relaxed);
    atomic_store_explicit(&team->members, taken + 1, memory_order_release);
    view->shares = true;
}

/* Where the units of member "rank" begin: at a panel, the panels dealt out as evenly as can be.
 * The leader has the most: whom it waits for is late, and has not just more to do. */
static ptrdiff_t first_unit(const struct barrier *team, int members, int rank)
{
    const ptrdiff_t panels = (team->hidden + team->lanes - 1) / team->lanes;
    const ptrdiff_t unit = (panels * rank + members - 1) / members * team->lanes;

    return unit < team->hidden ? unit : team->hidden;
}

bool barrier_slice(struct barrier_member *view, ptrdiff_t step, ptrdiff_t *first, ptrdiff_t *end)
{
    struct barrier *team = view->team;

    view->step = step;
    if (view->rank == 0 && !view->shares)
        admit(view, step);
    else if (view->rank > 0)
        view->shares = step >= team->first_step;
    if (view->shares) {
        const int members = atomic_load_explicit(&team->members, memory_order_relaxed);
        *first = first_unit(team, members, view->rank);
        *end = first_unit(team, members, view->rank + 1);
    }
    return view->shares || view->rank == 0;
}

/* Has a member made no headway for half the time that the call has taken? Whoever is slow, but
 * moves on, is not late. */
static bool is_late(const struct barrier_member *view, uint64_t since, uint64_t now)
{
    return now - since > BARRIER_LEAST_PATIENCE && 2 * (now - since) > now - view->began;
}

/* Waits until member "rank" has finished as many steps as this one. */
static bool wait_for(struct barrier_member *view, int rank, const struct rnn_stop *stop)
{
    struct barrier *team = view->team;
    uint64_t since = 0;

    for (unsigned spins = 1;
         atomic_load_explicit(&team->progress[rank].steps, memory_order_acquire) <= view->step;
         spins++) {
        if (atomic_load_explicit(&team->abandoned, memory_order_relaxed))
            return false;
        if (view->rank > 0) {
            system_idle(spins);
            continue;
        }
        system_pause();
        if (spins % 256 == 0) {
            const uint64_t now = system_nanoseconds();
            since = since ? since : now;
            if (is_late(view, since, now) || (stop && stop->asked(stop->data))) {
                view->waited += now - since;
                return false;
            }
        }
    }
    /* On a processor that others use too, most of a wait is its last part, after the last look. */
    if (since)
        view->waited += system_nanoseconds() - since;
    return true;
}

bool barrier_wait(struct barrier_member *view, const struct rnn_stop *stop)
{
    struct barrier *team = view->team;

    if (!view->shares)
        return true;
    const int members = atomic_load_explicit(&team->members, memory_order_relaxed);
    atomic_store_explicit(&team->progress[view->rank].steps, view->step + 1, memory_order_release);
    for (int rank = 0; rank < members; rank++)
        if (rank != view->rank && !wait_for(view, rank, stop)) {
            atomic_store(&team->abandoned, true);
            return false;
        }
    return true;
}
