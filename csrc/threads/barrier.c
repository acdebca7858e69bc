#include "os.h"

#include "barrier.h"

#define BARRIER_CLOSED 0x10000

/* The leader looks for helpers before step "step". */
static void admit(struct barrier_member *member, ptrdiff_t step)
{
    struct barrier *barrier = member->barrier;
    const int there = atomic_load_explicit(&barrier->arrived, memory_order_relaxed);

    if (there == 0 ||
        (there < barrier->expected && os_nanoseconds() - member->began < barrier->admission))
        return;
    barrier->first_step = step;
    const int taken = atomic_fetch_add(&barrier->arrived, BARRIER_CLOSED);
    for (int rank = 0; rank <= taken; rank++)
        atomic_store_explicit(&barrier->progress[rank].steps, step, memory_order_relaxed);
    atomic_store_explicit(&barrier->members, taken + 1, memory_order_release);
    member->share.alone = false;
}

/* Returns where the units of member "rank" begin: at a panel, the panels dealt out as evenly as can
 * be. The leader has the most, so that a helper for which the leader waits is late, and has not
 * just more to do. */
static ptrdiff_t first_unit(const struct barrier *barrier, int members, int rank)
{
    const ptrdiff_t panels = (barrier->hidden + barrier->lanes - 1) / barrier->lanes;
    const ptrdiff_t unit = (panels * rank + members - 1) / members * barrier->lanes;

    return unit < barrier->hidden ? unit : barrier->hidden;
}

/* struct rnn_share, take. */
static bool take_step(struct rnn_share *share, ptrdiff_t step, ptrdiff_t *first, ptrdiff_t *end)
{
    struct barrier_member *member = (struct barrier_member *)share;
    struct barrier *barrier = member->barrier;

    member->step = step;
    if (member->rank > 0)
        share->alone = step < barrier->first_step;
    else if (share->alone)
        admit(member, step);
    if (!share->alone) {
        const int members = atomic_load_explicit(&barrier->members, memory_order_relaxed);
        *first = first_unit(barrier, members, member->rank);
        *end = first_unit(barrier, members, member->rank + 1);
    }
    return !share->alone || member->rank == 0;
}

/* True if a member has finished no step for half of the time that the call has taken. A slow member
 * that finishes steps is not late. */
static bool is_late(const struct barrier_member *member, uint64_t since, uint64_t now)
{
    return now - since > BARRIER_LEAST_PATIENCE && 2 * (now - since) > now - member->began;
}

/* Waits until member "rank" has finished as many steps as this one. */
static bool wait_for(struct barrier_member *member, int rank, const struct rnn_stop *stop)
{
    struct barrier *barrier = member->barrier;
    uint64_t since = 0;

    for (unsigned spins = 1;
         atomic_load_explicit(&barrier->progress[rank].steps, memory_order_acquire) <= member->step;
         spins++) {
        if (atomic_load_explicit(&barrier->abandoned, memory_order_relaxed))
            return false;
        if (member->rank > 0) {
            os_idle(spins);
            continue;
        }
        os_pause();
        if (spins % 256 == 0) {
            const uint64_t now = os_nanoseconds();
            since = since ? since : now;
            if (is_late(member, since, now) || (stop && stop->asked(stop->data))) {
                member->waited += now - since;
                return false;
            }
        }
    }
    /* On a processor that others use too, most of a wait may come after the last look. */
    if (since)
        member->waited += os_nanoseconds() - since;
    return true;
}

/* struct rnn_share, wait. */
static bool wait_for_others(struct rnn_share *share, const struct rnn_stop *stop)
{
    struct barrier_member *member = (struct barrier_member *)share;
    struct barrier *barrier = member->barrier;

    if (share->alone)
        return true;
    const int members = atomic_load_explicit(&barrier->members, memory_order_relaxed);
    atomic_store_explicit(&barrier->progress[member->rank].steps, member->step + 1,
                          memory_order_release);
    for (int rank = 0; rank < members; rank++)
        if (rank != member->rank && !wait_for(member, rank, stop)) {
            atomic_store(&barrier->abandoned, true);
            return false;
        }
    return true;
}

static struct barrier_member member_of(struct barrier *barrier, int rank)
{
    return (struct barrier_member){
        .share = {take_step, wait_for_others, .leads = rank == 0, .alone = true},
        .barrier = barrier,
        .rank = rank,
    };
}

struct barrier_member barrier_lead(struct barrier *barrier)
{
    struct barrier_member leader = member_of(barrier, 0);

    leader.began = os_nanoseconds();
    return leader;
}

bool barrier_join(struct barrier *barrier, struct barrier_member *member)
{
    const int others = atomic_fetch_add(&barrier->arrived, 1);
    int members = 0;

    if (others >= BARRIER_CLOSED)
        return false;
    for (unsigned spins = 0; members == 0; spins++) {
        if (atomic_load_explicit(&barrier->abandoned, memory_order_relaxed))
            return false;
        os_idle(spins);
        members = atomic_load_explicit(&barrier->members, memory_order_acquire);
    }
    *member = member_of(barrier, others + 1);
    return true;
}
