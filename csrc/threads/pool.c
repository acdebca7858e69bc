#include "pool.h"

#define SPIN_NANOSECONDS 50000 /* how long a helper watches for more work before it sleeps */
/* How long brief calls have followed one another before it is worth waking helpers for them. */
#define SERIES_NANOSECONDS 100000
#define STACK_BYTES (512 * 1024)
/* A backoff, in multiples of what late helpers cost: at the least, so that few of many calls try in
 * vain, and at the most; never above ten seconds. */
#define LEAST_BACKOFF 8
#define MOST_BACKOFF 64
#define SECOND UINT64_C(1000000000)
#define MOST_COUNTED (10 * SECOND / MOST_BACKOFF)
#define CLOSE_PATIENCE 1000000000 /* for another caller to leave the pool */

/* ---- Forks ---- */

/* The one thing that is not part of a pool: pthread_atfork passes no argument. */
static atomic_uint_fast64_t forks;

#ifdef OS_FORKS
static void count_fork(void) { atomic_fetch_add(&forks, 1); }
#endif

void pool_watch_forks(void)
{
#ifdef OS_FORKS
    static atomic_flag watching = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&watching))
        pthread_atfork(NULL, NULL, count_fork);
#endif
}

uint_fast64_t pool_forks(void) { return atomic_load(&forks); }

/* ---- Helpers ---- */

/* A posted job, now this helper's, or NULL where the pool closes. */
static struct pool_job *next_job(struct pool_helper *helper)
{
    const uint64_t until = os_nanoseconds() + SPIN_NANOSECONDS;
    void *job = NULL;

    for (unsigned spins = 1; job == NULL; spins++) {
        if (spins % 64 == 0 && os_nanoseconds() > until)
            break;
        os_pause();
        job = atomic_load_explicit(&helper->job, memory_order_acquire);
    }
    for (;;) {
        if (job == NULL) {
            os_lock(&helper->mutex);
            /* Set before the helper looks for a job: a caller looks at it after it posts. */
            atomic_store(&helper->asleep, true);
            while ((job = atomic_load(&helper->job)) == NULL &&
                   !atomic_load(&helper->pool->closing))
                os_wait(&helper->wake, &helper->mutex);
            atomic_store(&helper->asleep, false);
            os_unlock(&helper->mutex);
        }
        if (job == NULL)
            return NULL;
        if (atomic_compare_exchange_strong(&helper->job, &job, helper))
            return job;
        job = NULL; /* it was taken back */
    }
}

static os_result OS_THREAD_CALL helper_main(void *argument)
{
    struct pool_helper *helper = argument;
    struct pool_job *job;

    while ((job = next_job(helper)) != NULL) {
        job->run(job);
        atomic_store_explicit(&helper->job, NULL, memory_order_release);
    }
    return 0;
}

static bool start_helper(struct pool *pool)
{
    struct pool_helper *helper = &pool->helpers[pool->started];

    helper->pool = pool;
    atomic_init(&helper->job, NULL);
    atomic_init(&helper->asleep, false);
    helper->processors = (os_processors){0};
    os_mutex_init(&helper->mutex);
    os_condition_init(&helper->wake);
    if (!os_start(&helper->thread, helper_main, helper, STACK_BYTES))
        return false;
    os_place(helper->thread, &helper->processors);
    pool->started++;
    return true;
}

static void wake(struct pool_helper *helper)
{
    os_lock(&helper->mutex);
    os_signal(&helper->wake);
    os_unlock(&helper->mutex);
}

/* ---- The pool ---- */

/* Makes the caller the owner, unless there is one already. */
static bool acquire(struct pool *pool)
{
    const uint_fast64_t generation = pool_forks() << 1;
    uint_fast64_t seen = atomic_load_explicit(&pool->owner, memory_order_relaxed);

    if (seen == (generation | 1) ||
        !atomic_compare_exchange_strong(&pool->owner, &seen, generation | 1))
        return false;
    if (seen != generation) { /* the threads, and an owner perhaps, stayed in the parent */
        pool->started = 0;
        pool->penalty = pool->backoff_until = 0;
        atomic_store(&pool->closing, pool->closed);
    }
    return true;
}

static void release(struct pool *pool)
{
    const uint_fast64_t owner = atomic_load_explicit(&pool->owner, memory_order_relaxed);

    atomic_store_explicit(&pool->owner, owner & ~(uint_fast64_t)1, memory_order_release);
}

static bool is_free(struct pool_helper *helper)
{
    return atomic_load_explicit(&helper->job, memory_order_acquire) == NULL;
}

static bool is_asleep(struct pool_helper *helper) { return atomic_load(&helper->asleep); }

void pool_note_end(struct pool *pool)
{
    atomic_store_explicit(&pool->ended, os_nanoseconds(), memory_order_relaxed);
}

/* True if it is worth waking helpers. They come too late for a brief call, but not for the calls
 * after it. */
static bool may_wake(struct pool *pool, bool brief, uint64_t now)
{
    if (now > SPIN_NANOSECONDS + atomic_load_explicit(&pool->ended, memory_order_relaxed))
        pool->series_began = now;
    return !brief || now - pool->series_began > SERIES_NANOSECONDS;
}

int pool_enter(struct pool *pool, int wanted, bool brief)
{
    int available = 0;

    if (wanted <= 0 || !acquire(pool))
        return 0;
    const uint64_t now = os_nanoseconds();
    const bool wakes = may_wake(pool, brief, now);
    if (now < pool->backoff_until) {
        release(pool);
        return 0;
    }
    for (int i = 0; i < pool->started && available < wanted; i++)
        available += is_free(&pool->helpers[i]) && (wakes || !is_asleep(&pool->helpers[i]));
    /* Not in place of those at work: there would be more threads than were asked for. */
    while (wakes && !pool->closed && pool->started < wanted && pool->started < POOL_MOST_HELPERS &&
           start_helper(pool))
        available++;
    if (available == 0) {
        if (wakes && pool->started == 0)
            pool->backoff_until = os_nanoseconds() + SECOND; /* asking again costs time */
        release(pool);
    }
    return available;
}

/* Posts "job" to at most "count" free helpers that sleep, or do not. Returns how many are left. */
static int post(struct pool *pool, struct pool_job *job, int count, bool asleep)
{
    for (int i = 0; i < pool->started && count > 0; i++) {
        struct pool_helper *helper = &pool->helpers[i];
        if (!is_free(helper) || is_asleep(helper) != asleep)
            continue;
        atomic_store(&helper->job, job);
        if (is_asleep(helper)) { /* by now */
            os_place(helper->thread, &helper->processors);
            wake(helper);
        }
        count--;
    }
    return count;
}

void pool_post(struct pool *pool, struct pool_job *job, int count)
{
    while (count > 0) /* again where one fell asleep in between */
        count = post(pool, job, post(pool, job, count, false), true);
}

int pool_retract(struct pool *pool, struct pool_job *job)
{
    int retracted = 0;

    for (int i = 0; i < pool->started; i++) {
        void *posted = job;
        retracted += atomic_compare_exchange_strong(&pool->helpers[i].job, &posted, NULL);
    }
    return retracted;
}

static uint64_t at_most(uint64_t value, uint64_t most) { return value < most ? value : most; }

static void back_off(struct pool *pool, uint64_t penalty)
{
    pool->penalty = at_most(penalty, MOST_BACKOFF * MOST_COUNTED);
    pool->backoff_until = os_nanoseconds() + pool->penalty;
}

void pool_leave(struct pool *pool, uint_fast64_t entered, uint64_t lost)
{
    const uint64_t counted = at_most(lost, MOST_COUNTED), least = LEAST_BACKOFF * counted;

    if (entered != pool_forks())
        return; /* it was the parent's; the child's may belong to another thread by now */
    pool_note_end(pool);
    if (lost == 0)
        pool->penalty /= 2;
    else if (2 * pool->penalty < least)
        back_off(pool, least);
    else
        back_off(pool, at_most(2 * pool->penalty, MOST_BACKOFF * counted));
    release(pool);
}

void pool_regret(struct pool *pool, uint_fast64_t entered, uint64_t lost)
{
    if (lost > 0 && entered == pool_forks() && acquire(pool)) {
        back_off(pool, pool->penalty + LEAST_BACKOFF * at_most(lost, MOST_COUNTED));
        release(pool);
    }
}

void pool_close(struct pool *pool)
{
    const uint64_t until = os_nanoseconds() + CLOSE_PATIENCE;

    for (unsigned spins = 0; !acquire(pool); spins++) {
        if (os_nanoseconds() > until)
            return; /* a call that goes on while the program ends keeps its threads */
        os_idle(spins);
    }
    atomic_store(&pool->closing, true);
    for (int i = 0; i < pool->started; i++) {
        wake(&pool->helpers[i]);
        os_join(pool->helpers[i].thread);
    }
    pool->started = 0;
    pool->closed = true;
    release(pool);
}
