/* Thread test program: the pool, teams and plans of csrc/threads, without Python.
 *
 *   test_threads [--quick]
 *
 * Whatever the plan and whichever helper is late, the bytes are those of rnn_forward(); memory goes
 * back once; forks, stops and other callers are survived. Nothing is timed: helpers are late
 * because a gate holds them in a kernel, not because of luck. */
#define _DEFAULT_SOURCE /* fork */
#include "machine.h"
#include "team_runs.h"

#include "../../csrc/simd/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREADS 1
#endif
#endif
#ifndef SANITIZER_THREADS
#define SANITIZER_THREADS 0
#endif
/* ThreadSanitizer cannot follow a fork of a process with threads, nor can qemu's emulation of a
 * process: builds for it say -DCAN_FORK=0. Windows has no fork. */
#ifdef _WIN32
#undef CAN_FORK
#define CAN_FORK 0
#elif !defined(CAN_FORK)
#define CAN_FORK !SANITIZER_THREADS
#endif
#if CAN_FORK
#include <sys/wait.h>
#include <unistd.h>
#endif

enum { MOST_THREADS = 5, TRIES = 200, HANG_SECONDS = 600 };

static struct pool pool;

/* The name of a level that this machine can run, or of a flavour for compressed weights: that of
 * "index", or the best before it. */
static const char *level_at(enum storage storage, int index)
{
    const char *best = "portable";
    for (int i = 0; i <= index; i++)
        if (storage ? kernels_flavour_available(i) : kernels_level_available(i))
            best = storage ? kernels_flavour_name(i) : kernels_level_name(i);
    return best;
}

static const char *best_level(enum storage storage) { return level_at(storage, 16); }

/* ---- Every plan gives the same bytes ---- */

static struct network_shape random_shape(struct random *random, enum storage storage, uint64_t seed)
{
    static const ptrdiff_t hidden[] = {1, 7, 16, 20, 33, 40, 64, 70, 100, 200};
    struct network_shape shape = {.storage = storage, .seed = seed, .values = VALUES_ORDINARY};

    shape.dtype = storage ? DTYPE_FLOAT32 : (enum dtype)random_below(random, DTYPE_COUNT);
    shape.kind = (enum cell_kind)random_below(random, CELL_KINDS);
    if (random_below(random, 2))
        shape.variant = random_variant(random, shape.kind);
    shape.input_size = 1 + random_below(random, 70);
    shape.hidden_size = hidden[random_below(random, 10)];
    if (cells[shape.kind].may_project && random_below(random, 4) == 0)
        shape.proj_size = 1 + random_below(random, shape.hidden_size);
    shape.num_layers = 1 + random_below(random, 3);
    shape.num_directions = 1 + (int)random_below(random, 2);
    shape.reverse = shape.num_directions == 1 && random_below(random, 3) == 0;
    shape.bias = random_below(random, 4) > 0;
    shape.steps = 1 + random_below(random, 40);
    shape.batch = 1 + random_below(random, 40);
    shape.ragged = random_below(random, 3) == 0;
    shape.batch_major = random_below(random, 2);
    shape.with_h0 = random_below(random, 2);
    shape.with_c0 = random_below(random, 2);
    if (random_below(random, 8) == 0)
        shape.values = VALUES_HUGE;
    if (random_below(random, 2)) {
        shape.inside = (enum inside)random_below(random, INSIDE_COUNT);
        shape.ragged = network_has_lengths(&shape);
        shape.infinite =
            !storage_is_integer(&storage_formats[storage]) && random_below(random, 4) == 0;
        shape.gap = shape.ragged ? random_below(random, 3) : 0;
        shape.traced = random_below(random, 2) ? 0 : (int)random_below(random, 1 << TRACES);
    }
    return shape;
}

/* The rest that the pool takes now, which the next callers need not wait for. */
static uint64_t end_backoff(void)
{
    const uint64_t until = pool.backoff_until, now = os_nanoseconds();

    pool.backoff_until = 0;
    return until > now ? until - now : 0;
}

/* Finishes a call with late helpers as callers do: what is missing, or all of it alone. Returns
 * false where that fails. */
static bool finish_late(struct subject *subject, struct team *team)
{
    const ptrdiff_t size = straggler_workspace(team);
    bool finished;
    void *memory;

    if (size >= 0) {
        memory = team_allocate((size_t)size);
        finished = straggler_redo(team, memory);
        aligned_release(memory);
        return finished;
    }
    team_give_up(team);
    team_end(team);
    subject_spoil(subject);
    subject_run_alone(subject);
    return true;
}

/* Computes the rows of the tasks in "missing", as if late helpers had them. */
static void compute_missing(struct subject *subject, const struct plan *plan, uint64_t missing)
{
    struct team *team = team_make(subject, plan);

    end_backoff();
    pool_insist(&pool, plan);
    team->pool = &pool;
    team->forks = pool_forks();
    team->began = os_nanoseconds();
    atomic_store(&team->users, 1);
    team->rows_missing = missing;
    check(finish_late(subject, team), "stopped, without a request to stop");
    end_backoff();
}

/* The tasks' rows bit by bit, in two parts: together they are all rows. */
static void check_redone_rows(struct subject *subject, const struct plan *plan,
                              struct random *random)
{
    const uint64_t all = (UINT64_C(1) << plan->tasks) - 1;
    const uint64_t some = random_below(random, (ptrdiff_t)all + 1) & 0x7fffffff;

    if (!plan_can_redo_rows(plan, &subject->call))
        return;
    subject_spoil(subject);
    compute_missing(subject, plan, some);
    compute_missing(subject, plan, all & ~some);
    check(subject_is_right(subject), "rows %llx and the others: other bytes",
          (unsigned long long)some);
    subject_spoil(subject);
}

/* Shares the call once. */
static void share(struct subject *subject, const struct plan *plan)
{
    end_backoff();
    const int helpers = pool_insist(&pool, plan);
    struct team *team = team_make(subject, plan);
    const enum team_result result = team_run(team, &pool, helpers);

    check(result != TEAM_STOPPED, "stopped, without a request to stop");
    check(result != TEAM_LATE || finish_late(subject, team), "late, and not finished");
    check(subject_is_right(subject), "shared by %s among %d threads (%d came, %s): other bytes",
          sharing_name(plan->sharing), plan->threads, helpers + 1,
          result == TEAM_LATE ? "late" : "done");
    subject_spoil(subject);
}

static void check_plans(int count, bool compressed)
{
    struct random random = random_seed(7);

    for (int turn = 0; turn < count; turn++) {
        const enum storage storage =
            compressed ? (enum storage)(1 + turn % (STORAGES - 1)) : STORAGE_FLOAT;
        const struct network_shape shape = random_shape(&random, storage, (uint64_t)turn);
        const char *level = level_at(storage, (int)random_below(&random, 8));
        struct subject subject = subject_make(&shape, level);
        struct plan plan;
        network_describe(&shape, level);
        for (enum sharing sharing = SHARE_ROWS; sharing <= SHARE_UNITS; sharing++)
            for (int threads = 2; threads <= MOST_THREADS; threads++)
                if (plan_force(&subject, sharing, threads, &plan)) {
                    share(&subject, &plan);
                    check_redone_rows(&subject, &plan, &random);
                }
        subject_free(&subject);
        end_after(HANG_SECONDS); /* counted anew: on a busy machine all together take longer */
    }
}

/* ---- What plan_make() chooses ---- */

static struct rnn_net plan_net(ptrdiff_t size, ptrdiff_t layers, int directions)
{
    return (struct rnn_net){.kernels = kernels_for(best_level(STORAGE_FLOAT), DTYPE_FLOAT32),
                            .input_size = size,
                            .hidden_size = size,
                            .num_layers = layers,
                            .num_directions = directions,
                            .bias = true};
}

static void check_plan_is_sane(const struct rnn_net *net, const struct rnn_call *call, int threads,
                               bool asked_for)
{
    const struct plan plan = plan_make(net, call, threads, asked_for);
    const enum sharing sharing = plan.sharing;

    case_begin("plan for I %td H %td P %td layers %td directions %d T %td N %td, %d threads%s",
               net->input_size, net->hidden_size, net->proj_size, net->num_layers,
               net->num_directions, call->steps, call->batch, threads, asked_for ? " asked" : "");
    check(plan.threads >= 1 && plan.threads <= (threads > 1 ? threads : 1), "%d threads",
          plan.threads);
    check((plan.threads == 1) == (sharing == SHARE_NOTHING), "%d threads share %s", plan.threads,
          sharing_name(sharing));
    check(asked_for || sharing != SHARE_UNITS, "units, without a number of threads");
    check(net->proj_size == 0 || sharing != SHARE_UNITS, "units of a projection");
    check(!net->variant.reset_before || sharing != SHARE_UNITS, "units that need all of r h");
    check(sharing != SHARE_ROWS ||
              (plan.phases == 1 && plan.tasks == plan.threads && plan.tasks <= call->batch / 4),
          "rows: %td tasks", plan.tasks);
    check(sharing != SHARE_DIRECTIONS || (net->num_directions == 2 && plan.threads == 2 &&
                                          plan.tasks == 2 && plan.phases == net->num_layers),
          "directions: %td tasks in %td phases", plan.tasks, plan.phases);
    check(call->dropout == 0 || plan.threads == 1, "dropout is drawn in one order");
}

static void check_plan_choices(void)
{
    static const ptrdiff_t sizes[] = {1, 20, 128, 512, (ptrdiff_t)1 << 40};
    struct rnn_call call = {.steps = 10, .batch = 1};
    struct random random = random_seed(1);
    struct rnn_net net = plan_net(20, 1, 1);

    case_begin("plan of small calls");
    for (int threads = 1; threads <= 64; threads++) {
        check(plan_make(&net, &call, threads, true).threads == 1, "hidden 20, T 10 is shared");
        check(plan_make(&net, &call, threads, false).threads == 1, "hidden 20, T 10 is shared");
    }
    for (int turn = 0; turn < 4000; turn++) {
        net = plan_net(sizes[random_below(&random, 5)], sizes[random_below(&random, 5)],
                       1 + (int)random_below(&random, 2));
        net.input_size = sizes[random_below(&random, 5)];
        net.proj_size = random_below(&random, 4) ? 0 : 1;
        if (net.proj_size == 0 && random_below(&random, 2)) {
            net.kind = CELL_GRU;
            net.variant.reset_before = random_below(&random, 2);
        }
        call.steps = sizes[random_below(&random, 5)];
        call.batch = sizes[random_below(&random, 5)];
        call.dropout = random_below(&random, 8) ? 0.0 : 0.5;
        check_plan_is_sane(&net, &call, (int)random_below(&random, 65), random_below(&random, 2));
    }
    case_begin("plan of known calls");
    call = (struct rnn_call){.steps = 100, .batch = 1};
    net = plan_net(256, 1, 1);
    check(plan_make(&net, &call, 2, true).sharing == SHARE_UNITS, "one row: not its units");
    check(plan_make(&net, &call, 2, false).threads == 1, "one row: units without being asked");
    net = plan_net(512, 1, 2);
    check(plan_make(&net, &call, 2, true).sharing == SHARE_DIRECTIONS, "not its directions");
    check(plan_make(&net, &call, 2, false).sharing == SHARE_DIRECTIONS, "not its directions");
    call.batch = 32;
    check(plan_make(&net, &call, 2, false).sharing == SHARE_ROWS, "32 rows: not rows");
    check(plan_make(&net, &call, 1, true).threads == 1, "one thread is two");
}

/* ---- A gate that holds helpers in the kernel ---- */

static _Thread_local bool leads_here;
static struct {
    const struct rnn_kernels *kernels;
    atomic_bool closed;
    atomic_int entered; /* steps of helpers that have begun */
} gate;

static void gated_step(const struct rnn_step *step)
{
    if (!leads_here) {
        atomic_fetch_add(&gate.entered, 1);
        while (atomic_load(&gate.closed))
            os_nap();
    } else if (atomic_load(&gate.closed) && atomic_load(&gate.entered) == 0)
        os_nap(); /* there is time for a helper to come */
    gate.kernels->step[CELL_LSTM](step);
}

/* A call of many short steps, with kernels that pass the gate. */
static struct subject gated_subject(enum storage storage, struct rnn_kernels *kernels)
{
    const struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                        .storage = storage,
                                        .input_size = 3,
                                        .hidden_size = 32,
                                        .num_layers = 1,
                                        .num_directions = 2,
                                        .bias = true,
                                        .steps = 1500,
                                        .batch = 2,
                                        .values = VALUES_ORDINARY,
                                        .seed = 5};
    struct subject subject = subject_make(&shape, best_level(storage));

    gate.kernels = subject.net.kernels;
    *kernels = *subject.net.kernels;
    kernels->step[CELL_LSTM] = gated_step;
    subject.net.kernels = kernels;
    return subject;
}

static bool helper_entered(void *data)
{
    (void)data;
    return atomic_load(&gate.entered) > 0;
}

/* Runs with one helper that stays at the gate. Returns the team, or NULL where the helper never
 * came; the gate is open then. */
static struct team *run_with_held_helper(struct subject *subject, enum sharing sharing,
                                         enum team_result expected)
{
    const struct rnn_stop stop = {helper_entered, NULL};
    struct plan plan;

    check(plan_force(subject, sharing, 2, &plan), "the gated call cannot be shared");
    subject->call.stop = expected == TEAM_STOPPED ? &stop : NULL;
    for (int tries = 0; tries < TRIES; tries++) {
        const int helpers = pool_insist(&pool, &plan);
        struct team *team = team_make(subject, &plan);
        atomic_store(&gate.entered, 0);
        atomic_store(&gate.closed, true);
        const enum team_result result = team_run(team, &pool, helpers);
        if (result == expected && atomic_load(&gate.entered) > 0)
            return team;
        atomic_store(&gate.closed, false);
        /* Nobody came, or a helper was late before it came to the gate. */
        if (result == TEAM_LATE)
            team_give_up(team);
        if (result != TEAM_DONE)
            team_end(team);
        end_backoff();
        check(result != TEAM_STOPPED, "stopped, without a request to stop");
    }
    check(false, "no helper in %d tries", TRIES);
    return NULL;
}

static void check_late_helper(enum sharing sharing, enum storage storage)
{
    struct rnn_kernels first_kernels, kernels;
    struct subject first = gated_subject(storage, &first_kernels);
    struct subject second = gated_subject(storage, &kernels);
    int refused = 0;

    case_begin("a late helper, %s, %s", sharing_name(sharing), storage_formats[storage].name);
    struct team *team = run_with_held_helper(&first, sharing, TEAM_LATE);
    if (team != NULL) {
        const long released = atomic_load(&teams_released);
        team_give_up(team);
        end_backoff();
        subject_run_alone(&second);
        check(subject_is_right(&second), "alone beside a late helper: other bytes");
        for (int i = 0; i < 5000; i++)
            if (pool_enter(&pool, 1, false) > 0) {
                pool_leave(&pool, pool_forks(), 0);
                check(false, "a helper at work was offered again");
            } else
                refused++;
        check(refused == 5000, "refused %d times", refused);
        check(atomic_load(&teams_released) == released, "released under the late helper");
        atomic_store(&gate.closed, false);
        team_end(team);
        check(atomic_load(&teams_released) == released + 1, "released %ld times",
              atomic_load(&teams_released) - released);
        check(atomic_load(&gate.entered) == 1, "the late helper went on for %d steps",
              atomic_load(&gate.entered) - 1);
        struct plan plan;
        if (plan_force(&second, sharing, 2, &plan)) {
            second.call.stop = NULL;
            subject_spoil(&second);
            share(&second, &plan);
        }
    }
    subject_free(&first);
    subject_free(&second);
}

static os_result OS_THREAD_CALL open_gate_soon(void *argument)
{
    (void)argument;
    for (int i = 0; i < 50; i++)
        os_nap();
    atomic_store(&gate.closed, false);
    return 0;
}

/* The caller computes the rows that a late helper has, and puts them in place when it has left. */
static void check_missing_rows(enum storage storage)
{
    struct rnn_kernels kernels;
    struct subject subject = gated_subject(storage, &kernels);
    os_thread thread;

    case_begin("rows of a late helper, %s", storage_formats[storage].name);
    struct team *team = run_with_held_helper(&subject, SHARE_ROWS, TEAM_LATE);
    if (team != NULL) {
        check(straggler_workspace(team) > 0, "nothing is missing");
        check(!subject_is_right(&subject), "no rows are missing");
        check(os_start(&thread, open_gate_soon, NULL, 1 << 20), "no thread");
        check(finish_late(&subject, team), "not finished");
        check(subject_is_right(&subject), "other bytes");
        os_join(thread);
    }
    subject_free(&subject);
}

static void check_stop(enum sharing sharing)
{
    struct rnn_kernels kernels;
    struct subject subject = gated_subject(STORAGE_FLOAT, &kernels);
    struct plan plan;

    case_begin("a call that is stopped, %s", sharing_name(sharing));
    struct team *team = run_with_held_helper(&subject, sharing, TEAM_STOPPED);
    if (team != NULL) {
        atomic_store(&gate.closed, false);
        team_end(team);
        check(atomic_load(&gate.entered) == 1, "the helper went on for %d steps",
              atomic_load(&gate.entered) - 1);
        subject.call.stop = NULL;
        subject_spoil(&subject);
        if (plan_force(&subject, sharing, 2, &plan))
            share(&subject, &plan);
    }
    subject_free(&subject);
}

/* ---- The pool ---- */

/* How often in a row the pool turns a caller away. */
static int refusals(void)
{
    for (int count = 0; count < 10000; count++)
        if (pool_enter(&pool, 1, false) > 0) {
            pool_leave(&pool, pool_forks(), 0);
            return count;
        }
    return -1;
}

static void enter_and_leave(uint64_t lost)
{
    const struct plan plan = {.threads = 2};

    pool_insist(&pool, &plan);
    pool_leave(&pool, pool_forks(), lost);
}

static void check_backoff(void)
{
    const uint64_t lost = 1000000000; /* a second: far longer than this test */

    case_begin("the pool rests and recovers");
    for (int i = 0; i < 70; i++) /* no penalty outlasts that many halvings */
        enter_and_leave(0);
    check(refusals() == 0, "a pool without late helpers turns callers away");
    enter_and_leave(lost);
    check(refusals() == -1, "a resting pool takes callers");
    const uint64_t first = end_backoff();
    check(first > lost, "a rest of %g s only", 1e-9 * (double)first);
    enter_and_leave(lost);
    const uint64_t second = end_backoff();
    check(second > first, "rests %g s, then %g s", 1e-9 * (double)first, 1e-9 * (double)second);
    for (int i = 0; i < 20; i++) {
        enter_and_leave(lost);
        check(end_backoff() <= 64 * lost, "a rest without bounds");
    }
    check(refusals() == 0, "turns callers away after its rest");
    pool_regret(&pool, pool_forks(), 0);
    check(end_backoff() == 0, "rests, and nothing was lost");
    pool_regret(&pool, pool_forks() + 1, lost);
    check(end_backoff() == 0, "rests because of what another process lost");
    pool_regret(&pool, pool_forks(), lost);
    check(refusals() == -1 && end_backoff() > lost, "no rest for what was lost after the call");
    enter_and_leave(lost);
    const uint64_t before = end_backoff();
    pool_regret(&pool, pool_forks(), 1000);
    check(end_backoff() + 10000000 > before, "a short wait after the call cuts the rest short");
    for (int i = 0; i < 70; i++)
        enter_and_leave(0);
    enter_and_leave(lost);
    check(end_backoff() < second, "has not recovered");
}

static os_result OS_THREAD_CALL hold_pool(void *argument)
{
    atomic_int *phase = argument;
    const struct plan plan = {.threads = 2};

    pool_insist(&pool, &plan);
    atomic_store(phase, 1);
    while (atomic_load(phase) == 1)
        os_nap();
    pool_leave(&pool, pool_forks(), 0);
    return 0;
}

static void check_taken(void)
{
    atomic_int phase = 0;
    os_thread thread;

    case_begin("a pool that is taken");
    if (!check(os_start(&thread, hold_pool, &phase, 1 << 20), "no thread"))
        return;
    while (atomic_load(&phase) == 0)
        os_nap();
    check(pool_enter(&pool, 3, false) == 0, "two callers have the pool");
    atomic_store(&phase, 2);
    os_join(thread);
    check(refusals() == 0, "the pool was not given back");
}

/* Callers that share where they can, and work alone where the pool is taken or rests. */
struct caller {
    struct subject subject;
    bool wrong;
};

static os_result OS_THREAD_CALL call_often(void *argument)
{
    struct caller *caller = argument;
    struct subject *subject = &caller->subject;
    struct plan plan;

    for (int turn = 0; turn < 60; turn++) {
        const enum sharing sharing = turn % 2 ? SHARE_ROWS : SHARE_UNITS;
        const int threads = 2 + turn % 3;
        int helpers = 0;
        if (plan_force(subject, sharing, threads, &plan))
            helpers = pool_enter(&pool, threads - 1, false);
        if (helpers == 0)
            subject_run_alone(subject);
        else {
            struct team *team = team_make(subject, &plan);
            if (team_run(team, &pool, helpers) == TEAM_LATE)
                caller->wrong |= !finish_late(subject, team);
        }
        caller->wrong |= !subject_is_right(subject);
        subject_spoil(subject);
    }
    return 0;
}

static void check_many_callers(void)
{
    enum { CALLERS = 3 };
    struct caller callers[CALLERS] = {{.wrong = false}};
    os_thread threads[CALLERS];
    struct random random = random_seed(3);

    case_begin("many callers");
    for (int i = 0; i < CALLERS; i++) {
        const enum storage storage = i == 0 ? STORAGE_FLOAT : i == 1 ? STORAGE_INT8 : STORAGE_INT16;
        struct network_shape shape = random_shape(&random, storage, (uint64_t)i);
        shape.hidden_size = 64;
        shape.proj_size = 0;
        shape.batch = 12;
        callers[i].subject = subject_make(&shape, best_level(storage));
        check(os_start(&threads[i], call_often, &callers[i], 1 << 20), "no thread");
    }
    for (int i = 0; i < CALLERS; i++) {
        os_join(threads[i]);
        check(!callers[i].wrong, "caller %d: other bytes", i);
        subject_free(&callers[i].subject);
    }
}

/* ---- Forks ---- */

#if CAN_FORK

/* Shares and runs alone in a new process. Exits with 0 where all is right. */
static void run_child(struct subject *subject)
{
    struct plan plan;
    const long failures = check_failures;

    end_after(HANG_SECONDS); /* a child has no alarm of its parent's */
    for (enum sharing sharing = SHARE_ROWS; sharing <= SHARE_UNITS; sharing++)
        if (plan_force(subject, sharing, 2, &plan))
            share(subject, &plan);
    pool_close(&pool);
    _exit(check_failures == failures ? 0 : 1);
}

static void check_child(struct subject *subject)
{
    const pid_t child = fork();
    int status = -1;

    if (child == 0)
        run_child(subject);
    check(child > 0 && waitpid(child, &status, 0) == child && status == 0,
          "the child ended with status %d", status);
}

static struct subject forked_subject(ptrdiff_t steps)
{
    const struct network_shape shape = {.dtype = DTYPE_FLOAT64,
                                        .input_size = 8,
                                        .hidden_size = 48,
                                        .num_layers = 2,
                                        .num_directions = 2,
                                        .steps = steps,
                                        .batch = 8,
                                        .values = VALUES_ORDINARY};
    return subject_make(&shape, best_level(STORAGE_FLOAT));
}

static void check_fork_before_use(void)
{
    struct subject subject = forked_subject(20);
    const int before = thread_count();

    case_begin("fork before use");
    check_child(&subject);
    check(thread_count() == before, "a thread more than were asked for");
    subject_free(&subject);
}

static os_result OS_THREAD_CALL call_until_told(void *argument)
{
    struct subject subject = forked_subject(50);
    struct plan plan;

    plan_force(&subject, SHARE_UNITS, 2, &plan);
    while (!atomic_load((atomic_bool *)argument)) {
        const int helpers = pool_insist(&pool, &plan);
        struct team *team = team_make(&subject, &plan);
        const enum team_result result = team_run(team, &pool, helpers);
        if (result == TEAM_LATE)
            team_give_up(team);
        if (result != TEAM_DONE)
            team_end(team);
    }
    subject_free(&subject);
    return 0;
}

static void check_fork_during_use(int count)
{
    struct subject subject = forked_subject(20);
    atomic_bool told = false;
    os_thread thread;

    case_begin("fork after use");
    check_child(&subject);
    case_begin("fork during use in another thread");
    check(os_start(&thread, call_until_told, &told, 1 << 20), "no thread");
    for (int i = 0; i < count; i++)
        check_child(&subject);
    atomic_store(&told, true);
    os_join(thread);
    subject_free(&subject);
}

/* A signal's handler forks while its thread leads a team. */
struct forker {
    int asked;
    pid_t child;
};

static bool fork_once(void *data)
{
    struct forker *forker = data;

    if (++forker->asked == 40)
        forker->child = fork();
    return false;
}

static void check_fork_within_call(enum sharing sharing)
{
    struct subject subject = forked_subject(200);
    struct forker forker = {0, -1};
    const struct rnn_stop stop = {fork_once, &forker};
    struct plan plan;
    int status = -1;

    case_begin("fork within a call, %s", sharing_name(sharing));
    plan_force(&subject, sharing, 2, &plan);
    subject.call.stop = &stop;
    for (int tries = 0; tries < TRIES && forker.asked < 40; tries++)
        share(&subject, &plan); /* and on in both processes */
    subject.call.stop = NULL;
    if (forker.child == 0)
        run_child(&subject);
    check(forker.child > 0 && waitpid(forker.child, &status, 0) == forker.child && status == 0,
          "the child ended with status %d", status);
    share(&subject, &plan);
    subject_free(&subject);
}

#endif

/* ---- The end ---- */

static void check_close(int before)
{
    struct rnn_kernels kernels;
    struct subject subject = gated_subject(STORAGE_FLOAT, &kernels);
    os_thread thread;

    case_begin("a pool that closes under a busy helper");
    struct team *team = run_with_held_helper(&subject, SHARE_ROWS, TEAM_LATE);
    if (team != NULL)
        team_give_up(team);
    check(os_start(&thread, open_gate_soon, NULL, 1 << 20), "no thread");
    pool_close(&pool);
    os_join(thread);
    if (team != NULL)
        team_end(team);
    check(thread_count_becomes(before + SANITIZER_THREADS), "%d threads are left over",
          thread_count() - before);
    check(pool_enter(&pool, 1, false) == 0, "a closed pool has helpers");
    pool_close(&pool);
    check(atomic_load(&teams_made) == atomic_load(&teams_released), "%ld teams, %ld released",
          atomic_load(&teams_made), atomic_load(&teams_released));
    subject_free(&subject);
}

int main(int argc, char **argv)
{
    const bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    const int before = thread_count();

    if (argc > 2 || (argc > 1 && !quick)) {
        fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
        return 2;
    }
    report_crashes();
    end_after(HANG_SECONDS);
    leads_here = true;
    pool_watch_forks();
    check_plan_choices();
    check(thread_count() == before && pool_enter(&pool, 0, false) == 0,
          "a thread before its first use");
#if CAN_FORK
    check_fork_before_use();
#endif
    /* These know of one helper: before more are started. */
    for (enum sharing sharing = SHARE_ROWS; sharing <= SHARE_UNITS; sharing++) {
        check_late_helper(sharing, STORAGE_FLOAT);
        check_late_helper(sharing, STORAGE_INT8);
        check_stop(sharing);
#if CAN_FORK
        check_fork_within_call(sharing);
#endif
    }
    check_plans(quick ? 30 : 200, false);
    check_plans(quick ? 100 : 600, true);
    check_missing_rows(STORAGE_FLOAT);
    check_missing_rows(STORAGE_INT8);
    check_backoff();
    check_taken();
    check_many_callers();
#if CAN_FORK
    check_fork_during_use(quick ? 10 : 50);
#endif
    check_close(before);
    return check_summary("test_threads");
}
