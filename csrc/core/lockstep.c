#include "system.h"

#include "lockstep.h"

#define LOCKSTEP_CLOSED 0x10000

struct lockstep lockstep_lead(struct lockstep_team *team)
{
    return (struct lockstep){.team = team, .began = system_nanoseconds()};
}

bool lockstep_join(struct lockstep_team *team, struct lockstep *view)
{
    const int others = atomic_fetch_add(&team->arrived, 1);
    int members = 0;

    if (others >= LOCKSTEP_CLOSED)
        return false;
    for (unsigned turn = 0; members == 0; turn++) {
        if (atomic_load_explicit(&team->abandoned, memory_order_relaxed))
            return false;
        system_idle(turn);
        members = atomic_load_explicit(&team->members, memory_order_acquire);
    }
    *view = (struct lockstep){.team = team, .rank = others + 1};
    return true;
}

bool lockstep_leads(const struct lockstep *view) { return view->rank == 0; }

/* The leader looks for helpers before step "turn". */
static void admit(struct lockstep *view, ptrdiff_t turn)
{
    struct lockstep_team *team = view->team;
    const int there = atomic_load_explicit(&team->arrived, memory_order_relaxed);

    if (there == 0 ||
        (there < team->expected && system_nanoseconds() - view->began < team->admission))
        return;
    team->first_turn = turn;
    const int taken = atomic_fetch_add(&team->arrived, LOCKSTEP_CLOSED);
    for (int rank = 0; rank <= taken; rank++)
        atomic_store_explicit(&team->progress[rank].turns, turn, memory_order_relaxed);
    atomic_store_explicit(&team->members, taken + 1, memory_order_release);
    view->shares = true;
}

/* Where the units of member "rank" begin: at a block, the blocks dealt out as evenly as can be.
 * The leader has the most: whom it waits for is late, and has not just more to do. */
static ptrdiff_t first_unit(const struct lockstep_team *team, int members, int rank)
{
    const ptrdiff_t blocks = (team->hidden + team->lanes - 1) / team->lanes;
    const ptrdiff_t unit = (blocks * rank + members - 1) / members * team->lanes;

    return unit < team->hidden ? unit : team->hidden;
}

bool lockstep_turn(struct lockstep *view, ptrdiff_t turn, ptrdiff_t *first, ptrdiff_t *end)
{
    struct lockstep_team *team = view->team;

    view->turn = turn;
    if (view->rank == 0 && !view->shares)
        admit(view, turn);
    else if (view->rank > 0)
        view->shares = turn >= team->first_turn;
    if (view->shares) {
        const int members = atomic_load_explicit(&team->members, memory_order_relaxed);
        *first = first_unit(team, members, view->rank);
        *end = first_unit(team, members, view->rank + 1);
    }
    return view->shares || view->rank == 0;
}

/* Has a member made no headway for half the time that the call has taken? Whoever is slow, but
 * moves on, is not late. */
static bool is_late(const struct lockstep *view, uint64_t since, uint64_t now)
{
    return now - since > LOCKSTEP_LEAST_PATIENCE && 2 * (now - since) > now - view->began;
}

/* Waits until member "rank" has finished as many steps as this one. */
static bool wait_for(struct lockstep *view, int rank, const struct rnn_stop *stop)
{
    struct lockstep_team *team = view->team;
    uint64_t since = 0;

    for (unsigned turn = 1;
         atomic_load_explicit(&team->progress[rank].turns, memory_order_acquire) <= view->turn;
         turn++) {
        if (atomic_load_explicit(&team->abandoned, memory_order_relaxed))
            return false;
        if (view->rank > 0) {
            system_idle(turn);
            continue;
        }
        system_pause();
        if (turn % 256 == 0) {
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

bool lockstep_wait(struct lockstep *view, const struct rnn_stop *stop)
{
    struct lockstep_team *team = view->team;

    if (!view->shares)
        return true;
    const int members = atomic_load_explicit(&team->members, memory_order_relaxed);
    atomic_store_explicit(&team->progress[view->rank].turns, view->turn + 1, memory_order_release);
    for (int rank = 0; rank < members; rank++)
        if (rank != view->rank && !wait_for(view, rank, stop)) {
            atomic_store(&team->abandoned, true);
            return false;
        }
    return true;
}
