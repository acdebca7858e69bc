/* From a request to the core: scratch memory, the GIL, other threads, Ctrl-C. */
#include "pylstm.h"

#include <stdalign.h>
#include <string.h>

/* Scratch memory up to this many bytes needs no allocation: it stands on the stack. */
#define STACK_WORKSPACE 16384
/* About 5 us of arithmetic: less is not worth handing the GIL over. */
#define UNLOCKED_WORK 150e3
/* Some milliseconds: shorter calls are not interrupted. */
#define INTERRUPTIBLE_WORK 100e6
/* About how much of it, and how much time, passes before signals are looked for. */
#define WORK_PER_LOOK 10e6
#define NANOSECONDS_PER_LOOK 30000000

/* ---- Signals ---- */

/* Lets Python's handlers run now and then while a call has the GIL released. */
struct interrupt {
    struct lstm_stop stop;
    PyThreadState *thread;
    uint64_t looked;          /* nanoseconds */
    unsigned asked, per_look; /* steps since then, and at least so many before the next look */
    bool raised;
};

static bool interrupt_asked(void *data)
{
    struct interrupt *interrupt = data;

    if (interrupt->raised || ++interrupt->asked < interrupt->per_look)
        return interrupt->raised;
    interrupt->asked = 0;
    if (system_nanoseconds() - interrupt->looked < NANOSECONDS_PER_LOOK)
        return false;
    PyEval_RestoreThread(interrupt->thread);
    interrupt->raised = PyErr_CheckSignals() < 0;
    interrupt->thread = PyEval_SaveThread();
    interrupt->looked = system_nanoseconds();
    return interrupt->raised;
}

/* Releases the GIL; a long call will look for signals. */
static void unlock(struct interrupt *interrupt, struct lstm_call *call, double work)
{
    const double steps = (double)call->steps;
    const double per_look = WORK_PER_LOOK * steps / work;

    interrupt->raised = false;
    if (work > INTERRUPTIBLE_WORK) {
        interrupt->stop = (struct lstm_stop){interrupt_asked, interrupt};
        interrupt->asked = 0;
        interrupt->per_look = per_look < 1 ? 1 : per_look > 1e9 ? 1000000000 : (unsigned)per_look;
        interrupt->looked = system_nanoseconds();
        call->stop = &interrupt->stop;
    }
    interrupt->thread = PyEval_SaveThread();
}

/* Takes the GIL again. Returns -1 where a signal's handler raised an exception. */
static int lock(struct interrupt *interrupt)
{
    PyEval_RestoreThread(interrupt->thread);
    return interrupt->raised ? -1 : 0;
}

/* ---- Alone ---- */

/* Dropout draws from the module's generator, which other threads must not enter meanwhile. */
static void run_with_dropout(const struct request *request, struct lstm_call *call, void *workspace)
{
    struct module_state *state = request->self->state;

    call->rng = &state->rng;
    lock_acquire(&state->rng_lock);
    lstm_forward(&request->snapshot->net, request->snapshot->packed, call, workspace);
    lock_release(&state->rng_lock);
}

static int run_in(const struct request *request, struct lstm_call *call, double work,
                  void *workspace)
{
    const struct lstm_net *net = &request->snapshot->net;
    struct interrupt interrupt;

    if (call->dropout != 0.0) {
        run_with_dropout(request, call, workspace);
        return 0;
    }
    if (work < UNLOCKED_WORK) {
        lstm_forward(net, request->snapshot->packed, call, workspace);
        return 0;
    }
    unlock(&interrupt, call, work);
    lstm_forward(net, request->snapshot->packed, call, workspace);
    return lock(&interrupt);
}

static int run_alone(const struct request *request, struct lstm_call *call, double work)
{
    alignas(64) unsigned char workspace[STACK_WORKSPACE];
    const ptrdiff_t size = lstm_workspace_size(&request->snapshot->net, call);
    char *memory;
    int result;

    if (size >= 0 && size <= STACK_WORKSPACE)
        return run_in(request, call, work, workspace);
    memory = size < 0 || size > PTRDIFF_MAX - 64 ? NULL : PyMem_Malloc((size_t)size + 64);
    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    result = run_in(request, call, work, memory + (-(uintptr_t)memory & 63));
    PyMem_Free(memory);
    return result;
}

/* ---- With other threads ---- */

enum { HELD = 5 };

/* A call that several threads work on, and all that they read and write. */
struct shared_call {
    struct lstm_team team;
    struct module_state *state;
    struct snapshot *snapshot;
    PyObject *held[HELD];
    void *memory; /* where this struct itself was allocated */
    void *next;   /* in module_state.finished */
};

/* The last thread has left: it may have no GIL, so the next call that has one does the rest. */
static void shared_call_finished(struct lstm_team *team)
{
    struct shared_call *shared = (struct shared_call *)team;
    _Atomic(void *) *list = &shared->state->finished;

    shared->next = atomic_load(list);
    while (!atomic_compare_exchange_weak(list, &shared->next, shared)) {
    }
}

void shared_calls_free(struct module_state *state)
{
    struct shared_call *shared = atomic_exchange(&state->finished, NULL);

    while (shared != NULL) {
        struct shared_call *next = shared->next;
        for (int i = 0; i < HELD; i++)
            Py_XDECREF(shared->held[i]);
        snapshot_release(shared->snapshot);
        PyMem_Free(shared->memory);
        shared = next;
    }
}

static struct shared_call *shared_call_new(const struct request *request,
                                           const struct lstm_call *call,
                                           const struct lstm_plan *plan)
{
    const struct lstm_net *net = &request->snapshot->net;
    const ptrdiff_t spare = (ptrdiff_t)(sizeof(struct shared_call) + 2 * alignof(struct lstm_team));
    const ptrdiff_t size = lstm_team_workspace(net, call, plan);
    PyObject *held[HELD] = {(PyObject *)request->x, (PyObject *)request->state[0],
                            (PyObject *)request->state[1], request->results,
                            (PyObject *)request->batch_sizes};
    struct shared_call *shared;
    char *memory;

    memory = size < 0 || size > PTRDIFF_MAX - spare ? NULL : PyMem_Malloc((size_t)(size + spare));
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    shared = (void *)(memory + (-(uintptr_t)memory & (alignof(struct lstm_team) - 1)));
    memset(shared, 0, sizeof *shared);
    shared->memory = memory;
    shared->state = request->self->state;
    shared->snapshot = snapshot_acquire(request->snapshot);
    for (int i = 0; i < HELD; i++)
        Py_XINCREF(shared->held[i] = held[i]);
    shared->team.net = net;
    shared->team.packed = request->snapshot->packed;
    shared->team.call = *call;
    shared->team.plan = *plan;
    shared->team.workspace = (char *)(shared + 1);
    shared->team.release = shared_call_finished;
    return shared;
}

/* Runs the call with "helpers" helpers of the pool, which has been entered. */
static int run_shared(const struct request *request, struct lstm_call *call, double work,
                      const struct lstm_plan *plan, int helpers)
{
    struct module_state *state = request->self->state;
    struct shared_call *shared = shared_call_new(request, call, plan);
    struct interrupt interrupt;
    enum team_result result;

    if (shared == NULL) {
        pool_leave(&state->pool, false);
        return -1;
    }
    unlock(&interrupt, &shared->team.call, work);
    result = lstm_team_run(&shared->team, &state->pool, helpers);
    const int status = lock(&interrupt);
    shared_calls_free(state);
    if (status < 0)
        return -1;
    return result == TEAM_DONE ? 0 : REQUEST_AGAIN;
}

int request_run(struct request *request, struct lstm_call *call)
{
    struct module_state *state = request->self->state;
    const struct lstm_net *net = &request->snapshot->net;
    const double work = lstm_work(net, call);
    int threads, helpers = 0;

    if (call->batch == 0 || net->hidden_size == 0)
        return 0; /* every result is empty */
    if (work < UNLOCKED_WORK || request->alone)
        return run_alone(request, call, work);
    threads = threads_limit(state);
    if (threads < 0)
        return -1;
    if (threads > 1) {
        struct lstm_plan plan = lstm_plan(net, call, threads, state->threads_set);
        if (plan.threads > 1)
            helpers = pool_enter(&state->pool, plan.threads - 1);
        if (helpers > 0)
            return run_shared(request, call, work, &plan, helpers);
    }
    return run_alone(request, call, work);
}
