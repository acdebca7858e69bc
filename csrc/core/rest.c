#include "rest.h"

#include "part.h"

#include <string.h>

/* Rows from which task "task" of those that share them begins: whole tiles of four rows where there
 * are so many that one more or less is not felt. The first has the most. */
ptrdiff_t rows_begin(const struct rnn_call *call, const struct rnn_plan *plan, ptrdiff_t task)
{
    const ptrdiff_t tile = call->batch < 8 * ROWS_PER_THREAD * plan->tasks ? 1 : ROWS_PER_THREAD;
    const ptrdiff_t tiles = (call->batch + tile - 1) / tile;
    const ptrdiff_t row = (tiles * task + plan->tasks - 1) / plan->tasks * tile;

    return row < call->batch ? row : call->batch;
}

bool rest_is_possible(const struct lstm_team *team)
{
    return team->plan.sharing == SHARE_ROWS && team->call.batch_sizes == NULL;
}

/* Rows, all in one range, that are missing, and where their results go for now. */
struct rest {
    ptrdiff_t first;
    struct rnn_call call;                   /* of those rows alone */
    ptrdiff_t y, h_n, c_n, workspace, size; /* bytes from the start of the memory */
};

/* Takes "elements" from the memory; a size that overflows stays at -1. */
static ptrdiff_t take_elements(const struct lstm_team *team, ptrdiff_t *size, ptrdiff_t elements)
{
    const ptrdiff_t begin = *size, itemsize = (ptrdiff_t)team->net.kernels->itemsize;

    if (begin < 0 || elements > (PTRDIFF_MAX - 64 - begin) / itemsize)
        *size = -1;
    else
        *size = align_up(begin + elements * itemsize, 64);
    return begin;
}

static const void *at_row(const struct lstm_team *team, const void *data, ptrdiff_t elements)
{
    const ptrdiff_t bytes = elements * (ptrdiff_t)team->net.kernels->itemsize;

    return data == NULL ? NULL : (const char *)data + bytes;
}

/* No count of elements overflows: the results of all rows exist. */
static struct rest rest_of(const struct lstm_team *team)
{
    const struct rnn_net *net = &team->net;
    const struct rnn_call *all = &team->call;
    const ptrdiff_t passes = net->num_layers * net->num_directions;
    const ptrdiff_t out = rnn_hidden_out(net), width = net->num_directions * out;
    ptrdiff_t first = all->batch, end = 0;
    struct rest rest = {.call = *all};

    for (ptrdiff_t task = 0; task < team->plan.tasks; task++) {
        if ((team->rows_missing >> task & 1) == 0)
            continue;
        if (end == 0)
            first = rows_begin(all, &team->plan, task);
        end = rows_begin(all, &team->plan, task + 1);
    }
    rest.first = first;
    rest.call.batch = end > first ? end - first : 0;
    rest.call.x = at_row(team, all->x, first * all->x_row);
    rest.call.h0 = at_row(team, all->h0, first * all->h0_row);
    rest.call.c0 = at_row(team, all->c0, first * all->c0_row);
    rest.call.y_row = width;
    rest.call.y_step = rest.call.batch * width;
    rest.y = take_elements(team, &rest.size, all->steps * rest.call.y_step);
    rest.h_n = take_elements(team, &rest.size, passes * rest.call.batch * out);
    rest.c_n = take_elements(team, &rest.size, passes * rest.call.batch * net->hidden_size);
    rest.workspace = rest.size;
    const ptrdiff_t workspace = rnn_workspace_size(net, &rest.call);
    if (rest.size >= 0)
        rest.size =
            workspace < 0 || workspace > PTRDIFF_MAX - rest.size ? -1 : rest.size + workspace;
    return rest;
}

ptrdiff_t lstm_team_rest_size(const struct lstm_team *team)
{
    return rest_is_possible(team) ? rest_of(team).size : -1;
}

static bool is_finished(const struct lstm_team *team)
{
    return atomic_load_explicit(&team->finished, memory_order_acquire) == team->plan.tasks;
}

/* Are the rows there after all, or does the call stop? */
static bool rest_is_needless(void *data)
{
    const struct lstm_team *team = data;
    const struct rnn_stop *stop = team->call.stop;

    return is_finished(team) || (stop && stop->asked(stop->data));
}

/* "count" blocks of "rows" rows of "width" elements, to their place among all rows. */
static void put_rows(const struct lstm_team *team, const struct rest *rest, const char *from,
                     void *to, ptrdiff_t count, ptrdiff_t step, ptrdiff_t row, ptrdiff_t width)
{
    const ptrdiff_t itemsize = (ptrdiff_t)team->net.kernels->itemsize;

    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < rest->call.batch; j++, from += width * itemsize)
            memcpy((char *)to + (i * step + (rest->first + j) * row) * itemsize, from,
                   (size_t)(width * itemsize));
}

static void put_rest(const struct lstm_team *team, const struct rest *rest, const char *memory)
{
    const struct rnn_net *net = &team->net;
    const struct rnn_call *all = &team->call;
    const ptrdiff_t passes = net->num_layers * net->num_directions;
    const ptrdiff_t out = rnn_hidden_out(net), hidden = net->hidden_size;

    put_rows(team, rest, memory + rest->y, all->y, all->steps, all->y_step, all->y_row,
             net->num_directions * out);
    put_rows(team, rest, memory + rest->h_n, all->h_n, passes, all->batch * out, out, out);
    put_rows(team, rest, memory + rest->c_n, all->c_n, passes, all->batch * hidden, hidden, hidden);
}

/* The rows of "rest", to "memory". Returns false where that was needless or stopped. */
static bool compute_rest(struct lstm_team *team, struct rest *rest, char *memory)
{
    const struct rnn_stop needless = {rest_is_needless, team};

    rest->call.y = memory + rest->y;
    rest->call.h_n = memory + rest->h_n;
    rest->call.c_n = memory + rest->c_n;
    rest->call.stop = &needless;
    return rnn_forward(&team->net, team->packed, &rest->call, memory + rest->workspace);
}

bool lstm_team_rest(struct lstm_team *team, void *memory)
{
    struct rest rest = rest_of(team);
    const bool computed = compute_rest(team, &rest, memory);

    team_abandon(team);
    const bool late = computed && !is_finished(team);
    const uint64_t lost = team->waited + team_wait_for_helpers(team);
    team_leave_pool(team, late ? lost : 0);
    const bool finished = is_finished(team); /* the last helper may have got there meanwhile */
    if (computed && !finished)
        put_rest(team, &rest, memory);
    team->release(team);
    return computed || finished;
}
