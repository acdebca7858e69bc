#include "straggler.h"

#include <string.h>

/* Rows, all in one range, that are missing, and where their results go for now. */
struct redo {
    ptrdiff_t first;
    struct rnn_call call;                   /* of those rows alone */
    struct rnn_within within;               /* with their resets */
    ptrdiff_t y, h_n, c_n, workspace, size; /* bytes from the start of the memory */
};

/* Takes "elements" from the memory; a size that overflows stays at -1. */
static ptrdiff_t take_elements(const struct team *team, ptrdiff_t *size, ptrdiff_t elements)
{
    const ptrdiff_t begin = *size, itemsize = (ptrdiff_t)team->net.kernels->itemsize;

    if (begin < 0 || elements > (PTRDIFF_MAX - 64 - begin) / itemsize)
        *size = -1;
    else
        *size = layout_align(begin + elements * itemsize, 64);
    return begin;
}

static const void *at_row(const struct team *team, const void *data, ptrdiff_t elements)
{
    const ptrdiff_t bytes = elements * (ptrdiff_t)team->net.kernels->itemsize;

    return data == NULL ? NULL : (const char *)data + bytes;
}

/* No count of elements overflows: the results of all rows exist. */
static struct redo redo_layout(const struct team *team)
{
    const struct rnn_net *net = &team->net;
    const struct rnn_call *all = &team->call;
    const ptrdiff_t scans = net->num_layers * net->num_directions;
    const ptrdiff_t out = rnn_hidden_out(net), width = net->num_directions * out;
    ptrdiff_t first = all->batch, end = 0;
    struct redo redo = {.call = *all};

    for (ptrdiff_t task = 0; task < team->plan.tasks; task++) {
        if ((team->rows_missing >> task & 1) == 0)
            continue;
        if (end == 0)
            first = plan_first_row(&team->plan, all, task);
        end = plan_first_row(&team->plan, all, task + 1);
    }
    redo.first = first;
    redo.call.batch = end > first ? end - first : 0;
    redo.call.x = at_row(team, all->x, first * all->x_row);
    redo.call.h0 = at_row(team, all->h0, first * all->h0_row);
    redo.call.c0 = at_row(team, all->c0, first * all->c0_row);
    redo.call.y_row = width;
    redo.call.y_step = redo.call.batch * width;
    redo.y = take_elements(team, &redo.size, all->steps * redo.call.y_step);
    redo.h_n = take_elements(team, &redo.size, scans * redo.call.batch * out);
    redo.c_n = redo.size;
    if (rnn_has_c(net))
        take_elements(team, &redo.size, scans * redo.call.batch * net->hidden_size);
    redo.workspace = redo.size;
    const ptrdiff_t workspace = rnn_workspace_size(net, &redo.call);
    if (redo.size >= 0)
        redo.size =
            workspace < 0 || workspace > PTRDIFF_MAX - redo.size ? -1 : redo.size + workspace;
    return redo;
}

ptrdiff_t straggler_workspace(const struct team *team)
{
    return plan_can_redo_rows(&team->plan, &team->call) ? redo_layout(team).size : -1;
}

static bool is_finished(const struct team *team)
{
    return atomic_load_explicit(&team->finished, memory_order_acquire) == team->plan.tasks;
}

/* True if the helpers have finished the rows after all, or if the call stops. */
static bool is_needless(void *data)
{
    const struct team *team = data;
    const struct rnn_stop *stop = team->call.stop;

    return is_finished(team) || (stop && stop->asked(stop->data));
}

/* "count" matrices of "rows" rows of "width" elements, to their place among all rows. */
static void put_rows(const struct team *team, const struct redo *redo, const char *from, void *to,
                     ptrdiff_t count, ptrdiff_t step, ptrdiff_t row, ptrdiff_t width)
{
    const ptrdiff_t itemsize = (ptrdiff_t)team->net.kernels->itemsize;

    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < redo->call.batch; j++, from += width * itemsize)
            memcpy((char *)to + (i * step + (redo->first + j) * row) * itemsize, from,
                   (size_t)(width * itemsize));
}

static void put_results(const struct team *team, const struct redo *redo, const char *memory)
{
    const struct rnn_net *net = &team->net;
    const struct rnn_call *all = &team->call;
    const ptrdiff_t scans = net->num_layers * net->num_directions;
    const ptrdiff_t out = rnn_hidden_out(net), hidden = net->hidden_size;

    put_rows(team, redo, memory + redo->y, all->y, all->steps, all->y_step, all->y_row,
             net->num_directions * out);
    put_rows(team, redo, memory + redo->h_n, all->h_n, scans, all->batch * out, out, out);
    if (rnn_has_c(net))
        put_rows(team, redo, memory + redo->c_n, all->c_n, scans, all->batch * hidden, hidden,
                 hidden);
}

/* The rows of "redo", to "memory". Returns false where that was needless or stopped. */
static bool compute(struct team *team, struct redo *redo, char *memory)
{
    const struct rnn_stop needless = {is_needless, team};

    redo->call.y = memory + redo->y;
    redo->call.h_n = memory + redo->h_n;
    redo->call.c_n = rnn_has_c(&team->net) ? memory + redo->c_n : NULL;
    redo->call.stop = &needless;
    if (redo->call.within) {
        redo->within = *redo->call.within;
        if (redo->within.reset)
            redo->within.reset += redo->first * redo->within.reset_row;
        redo->call.within = &redo->within;
    }
    return rnn_forward(&team->net, team->packed, &redo->call, memory + redo->workspace);
}

bool straggler_redo(struct team *team, void *memory)
{
    struct redo redo = redo_layout(team);
    const bool computed = compute(team, &redo, memory);

    team_abandon(team);
    const bool late = computed && !is_finished(team);
    const uint64_t lost = team->waited + team_wait_for_helpers(team);
    team_leave_pool(team, late ? lost : 0);
    const bool finished = is_finished(team); /* the last helper may have got there meanwhile */
    if (computed && !finished)
        put_results(team, &redo, memory);
    team->release(team);
    return computed || finished;
}
