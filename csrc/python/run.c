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

/* Lets Python's handlers run now and then during a call. */
struct interrupt {
    struct rnn_stop stop;
    PyThreadState *thread;    /* NULL while the call holds the GIL */
    struct lock *lock;        /* that the call holds as well, or NULL */
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
    if (os_nanoseconds() - interrupt->looked < NANOSECONDS_PER_LOOK)
        return false;
    if (interrupt->lock != NULL)
        lock_release(interrupt->lock);
    if (interrupt->thread == NULL) /* others have waited for as long as this call runs */
        interrupt->thread = PyEval_SaveThread();
    PyEval_RestoreThread(interrupt->thread);
    interrupt->raised = PyErr_CheckSignals() < 0;
    if (interrupt->lock != NULL) {
        interrupt->thread = NULL;
        lock_acquire(interrupt->lock);
    } else
        interrupt->thread = PyEval_SaveThread();
    interrupt->looked = os_nanoseconds();
    return interrupt->raised;
}

/* True if signal handlers run in this thread. Another thread need not take the GIL for them. */
static bool in_main_thread(void)
{
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    PyObject *thread = module == NULL ? NULL : PyObject_CallMethod(module, "main_thread", NULL);
    PyObject *ident = thread == NULL ? NULL : PyObject_GetAttrString(thread, "ident");
    const unsigned long main_thread = ident == NULL ? 0 : PyLong_AsUnsignedLong(ident);
    const bool known = ident != NULL && !PyErr_Occurred();

    PyErr_Clear(); /* not known: looked for in vain, at worst */
    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_XDECREF(thread);
    Py_XDECREF(ident);
    return !known || main_thread == PyThread_get_thread_ident();
}

/* Has a long call look for signals. */
static void watch(struct interrupt *interrupt, struct rnn_call *call, double work)
{
    const double steps = (double)call->steps;
    const double per_look = WORK_PER_LOOK * steps / work;

    *interrupt = (struct interrupt){
        .stop = {interrupt_asked, interrupt},
        .looked = os_nanoseconds(),
        .per_look = per_look < 1     ? 1
                    : per_look > 1e9 ? 1000000000
                                     : (unsigned)per_look,
    };
    call->stop = &interrupt->stop;
}

/* Releases the GIL; a long call will look for signals. */
static void gil_release(struct interrupt *interrupt, struct rnn_call *call, double work)
{
    interrupt->raised = false;
    if (work > INTERRUPTIBLE_WORK && in_main_thread())
        watch(interrupt, call, work);
    interrupt->thread = PyEval_SaveThread();
}

/* Takes the GIL again. Returns -1 where a signal's handler raised an exception. */
static int gil_acquire(struct interrupt *interrupt)
{
    PyEval_RestoreThread(interrupt->thread);
    return interrupt->raised ? -1 : 0;
}

/* ---- Alone ---- */

/* Dropout draws from the module's generator, which other threads must not enter meanwhile: but
 * between two steps they may, so that a long call does not keep them waiting. */
static int run_with_dropout(const struct request *request, struct rnn_call *call, double work,
                            void *workspace)
{
    struct module_state *module_state = request->self->module_state;
    struct interrupt interrupt = {.raised = false};

    call->rng = &module_state->rng;
    if (work > INTERRUPTIBLE_WORK) {
        watch(&interrupt, call, work);
        interrupt.lock = &module_state->rng_lock;
    }
    lock_acquire(&module_state->rng_lock);
    rnn_forward(&request->snapshot->net, request->snapshot->packed, call, workspace);
    lock_release(&module_state->rng_lock);
    return interrupt.raised ? -1 : 0;
}

static int run_in(const struct request *request, struct rnn_call *call, double work,
                  void *workspace)
{
    const struct rnn_net *net = &request->snapshot->net;
    struct interrupt interrupt;

    if (call->dropout != 0.0) {
        return run_with_dropout(request, call, work, workspace);
    }
    if (work < UNLOCKED_WORK) {
        rnn_forward(net, request->snapshot->packed, call, workspace);
        return 0;
    }
    gil_release(&interrupt, call, work);
    rnn_forward(net, request->snapshot->packed, call, workspace);
    return gil_acquire(&interrupt);
}

static int run_alone(const struct request *request, struct rnn_call *call, double work)
{
    alignas(64) unsigned char workspace[STACK_WORKSPACE];
    const ptrdiff_t size = rnn_workspace_size(&request->snapshot->net, call);
    char *memory;
    int result;

    if (size >= 0 && size <= STACK_WORKSPACE)
        return run_in(request, call, work, workspace);
    memory = size < 0 || size > PTRDIFF_MAX - 64 ? NULL : memory_new((size_t)size + 64);
    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    result = run_in(request, call, work, memory + (-(uintptr_t)memory & 63));
    memory_free(memory);
    return result;
}

/* ---- With other threads ---- */

/* A call that several threads work on. What it points to is kept alive by the request. */
struct shared_call {
    struct team team;
    void *memory; /* where this struct itself was allocated */
};

/* The last user may be a thread that Python knows nothing of. */
static void shared_call_free(struct team *team)
{
    memory_free(((struct shared_call *)team)->memory);
}

static struct shared_call *shared_call_new(const struct request *request,
                                           const struct rnn_call *call, const struct plan *plan)
{
    const struct rnn_net *net = &request->snapshot->net;
    const ptrdiff_t spare = (ptrdiff_t)(sizeof(struct shared_call) + alignof(struct shared_call));
    const ptrdiff_t size = plan_workspace(plan, net, call);
    struct shared_call *shared;
    char *memory;

    memory = size < 0 || size > PTRDIFF_MAX - spare ? NULL : memory_new((size_t)(size + spare));
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    shared = (void *)(memory + (-(uintptr_t)memory & (alignof(struct shared_call) - 1)));
    memset(shared, 0, sizeof *shared);
    shared->memory = memory;
    shared->team.net = *net;
    shared->team.packed = request->snapshot->packed;
    shared->team.call = *call;
    shared->team.plan = *plan;
    shared->team.workspace = (char *)(shared + 1);
    shared->team.release = shared_call_free;
    return shared;
}

/* After TEAM_LATE, without the GIL: finishes the call where late helpers leave rows undone that can
 * be computed alone. Without memory for them it is TEAM_STOPPED, and "no_memory". */
static enum team_result finish_rows(struct team *team, bool *no_memory)
{
    const ptrdiff_t size = straggler_workspace(team);
    char *memory;
    bool finished;

    if (size < 0 || size > PTRDIFF_MAX - 64) {
        team_give_up(team);
        return TEAM_LATE;
    }
    memory = memory_new((size_t)size + 64);
    if (memory == NULL) {
        *no_memory = true;
        team_give_up(team);
        team_end(team);
        return TEAM_STOPPED;
    }
    finished = straggler_redo(team, memory + (-(uintptr_t)memory & 63));
    memory_free(memory);
    return finished ? TEAM_DONE : TEAM_STOPPED;
}

/* Runs the call with "helpers" helpers of the pool, which has been entered. */
static int run_shared(struct request *request, struct rnn_call *call, double work,
                      const struct plan *plan, int helpers)
{
    struct pool *pool = &request->self->module_state->pool;
    struct shared_call *shared = shared_call_new(request, call, plan);
    struct interrupt interrupt;
    enum team_result result;
    bool no_memory = false;

    if (shared == NULL) {
        pool_leave(pool, pool_forks(), 0);
        return -1;
    }
    gil_release(&interrupt, &shared->team.call, work);
    result = team_run(&shared->team, pool, helpers);
    if (result == TEAM_STOPPED)
        team_end(&shared->team);
    else if (result == TEAM_LATE)
        result = finish_rows(&shared->team, &no_memory);
    if (gil_acquire(&interrupt) < 0)
        return -1;
    if (no_memory) {
        PyErr_NoMemory();
        return -1;
    }
    if (result == TEAM_DONE)
        return 0;
    request->late = &shared->team;
    request->late_results = request->results;
    return REQUEST_AGAIN;
}

void request_end_late(struct request *request)
{
    Py_BEGIN_ALLOW_THREADS
    team_end(request->late);
    Py_END_ALLOW_THREADS
    request->late = NULL;
    Py_CLEAR(request->late_results);
}

int request_run(struct request *request, struct rnn_call *call)
{
    struct module_state *module_state = request->self->module_state;
    const struct rnn_net *net = &request->snapshot->net;
    const double work = rnn_work(net, call);
    struct plan plan = {.threads = 1};
    int threads, result, helpers = 0;

    if (call->batch == 0 || net->hidden_size == 0)
        return 0; /* every result is empty */
    if (work < UNLOCKED_WORK || request->late != NULL)
        return run_alone(request, call, work);
    threads = num_threads_limit(module_state);
    if (threads < 0)
        return -1;
    if (threads > 1)
        plan = plan_make(net, call, threads, module_state->threads_set);
    if (plan.threads > 1)
        helpers = pool_enter(&module_state->pool, plan.threads - 1, plan.brief);
    if (helpers > 0) {
        plan_limit(&plan, helpers + 1);
        return run_shared(request, call, work, &plan, helpers);
    }
    result = run_alone(request, call, work);
    if (plan.threads > 1)
        pool_note_end(&module_state->pool);
    return result;
}
