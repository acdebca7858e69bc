#include "shared_call.h"

#include "interrupt.h"
#include "memory.h"

#include "../threads/straggler.h"

#include <string.h>

/* What the team points to is kept alive by the request. */
struct shared_call {
    struct team team;
    void *memory; /* where this struct itself was allocated */
};

/* The last user may be a helper, which has no thread state of Python. */
static void release(struct team *team) { memory_free(((struct shared_call *)team)->memory); }

static struct team *team_new(const struct request *request, const struct plan *plan)
{
    const struct rnn_net *net = request->net;
    const ptrdiff_t spare = (ptrdiff_t)(sizeof(struct shared_call) + alignof(struct shared_call));
    const ptrdiff_t size = plan_workspace(plan, net, &request->call);
    struct shared_call *shared;
    char *memory;

    memory = size < 0 || size > PTRDIFF_MAX - spare ? NULL : memory_new((size_t)(size + spare));
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    shared = memory_align(memory, alignof(struct shared_call));
    memset(shared, 0, sizeof *shared);
    shared->memory = memory;
    shared->team.net = *net;
    shared->team.packed = request->snapshot->packed;
    shared->team.call = request->call;
    shared->team.plan = *plan;
    shared->team.workspace = (char *)(shared + 1);
    shared->team.release = release;
    return &shared->team;
}

/* After TEAM_LATE, without the GIL: finishes the call where late helpers leave rows undone that can
 * be computed alone. Without memory for them it is TEAM_STOPPED, and "no_memory". */
static enum team_result finish_rows(struct team *team, bool *no_memory)
{
    const ptrdiff_t size = straggler_workspace(team);
    void *memory;
    bool finished;

    if (size < 0) {
        team_give_up(team);
        return TEAM_LATE;
    }
    memory = memory_new_workspace(size);
    if (memory == NULL) {
        *no_memory = true;
        team_give_up(team);
        team_end(team);
        return TEAM_STOPPED;
    }
    finished = straggler_redo(team, memory_align(memory, MEMORY_ALIGNMENT));
    memory_free(memory);
    return finished ? TEAM_DONE : TEAM_STOPPED;
}

int shared_call_run(struct request *request, double work, const struct plan *plan, int helpers)
{
    struct pool *pool = &request->self->module_state->pool;
    struct team *team = team_new(request, plan);
    struct interrupt interrupt;
    enum team_result result;
    bool no_memory = false;

    if (team == NULL) {
        pool_leave(pool, pool_forks(), 0);
        return -1;
    }
    gil_release(&interrupt, &team->call, work);
    result = team_run(team, pool, helpers);
    if (result == TEAM_STOPPED)
        team_end(team);
    else if (result == TEAM_LATE)
        result = finish_rows(team, &no_memory);
    if (gil_acquire(&interrupt) < 0)
        return -1;
    if (no_memory) {
        PyErr_NoMemory();
        return -1;
    }
    if (result == TEAM_DONE)
        return 0;
    request->late = team;
    request->late_results = request->results;
    return CALL_AGAIN;
}

void shared_call_end(struct request *request)
{
    Py_BEGIN_ALLOW_THREADS
    team_end(request->late);
    Py_END_ALLOW_THREADS
    request->late = NULL;
    Py_CLEAR(request->late_results);
}
