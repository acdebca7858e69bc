#include "linear.h"

#include "fpenv.h"

#include <stdalign.h>
#include <string.h>

/* Rows are taken in strips of so many bytes of x, so that they stay in the second-level cache while
 * all weights pass by. */
enum { STRIP_BYTES = 1 << 19, LEAST_ROWS = 96 };
/* The last columns of so many rows are computed aside, since a kernel writes whole panels. */
enum { ASIDE_ROWS = 64, MOST_PANEL_BYTES = 256 };

/* A strip of a call: some of its rows, and columns that begin with a panel. */
struct strip {
    ptrdiff_t group, groups, row, rows;
    ptrdiff_t column, columns;
};

static char *offset(const struct rnn_net *net, const void *p, ptrdiff_t count)
{
    return (char *)(uintptr_t)p + count * (ptrdiff_t)net->kernels->itemsize;
}

/* Computes a strip, of one group or of all rows of several: in place, or by way of "aside". */
static void run_strip(const struct rnn_net *net, const void *packed, const struct linear_call *call,
                      const struct strip *strip, char *aside)
{
    const ptrdiff_t width = net->hidden_size, depth = net->input_size;
    const ptrdiff_t panel = PANEL_VECTORS * net->kernels->lanes;
    const ptrdiff_t weight = direction_layout(net, 0).weight_ih;
    char *y =
        offset(net, call->y, (strip->group * call->rows + strip->row) * width + strip->column);
    const struct gemm gemm = {
        .rows = strip->rows,
        .groups = strip->groups,
        .units = (strip->columns + PANEL_VECTORS - 1) / PANEL_VECTORS,
        .init = offset(net, packed, strip->column),
        .w = offset(net, packed, weight + strip->column * depth),
        .depth = depth,
        .x = offset(net, call->x, strip->group * call->x_group + strip->row * call->x_row),
        .x_stride = call->x_row,
        .x_group = call->x_group,
        .out = aside ? aside : y,
        .out_stride = aside ? panel : width,
        .out_group = strip->rows * (aside ? panel : width),
    };

    net->kernels->gemm(&gemm);
    for (ptrdiff_t row = 0; aside && row < strip->groups * strip->rows; row++)
        memcpy(offset(net, y, row * width), offset(net, aside, row * panel),
               (size_t)strip->columns * net->kernels->itemsize);
}

/* Computes the columns [strip->column, strip->column + strip->columns) of the rows of "whole", at most
 * "most" rows at once. */
static void run_rows(const struct rnn_net *net, const void *packed, const struct linear_call *call,
                     const struct strip *whole, ptrdiff_t most, char *aside)
{
    struct strip strip = *whole;

    for (ptrdiff_t group = 0; group < whole->groups; group += strip.groups) {
        strip.group = whole->group + group;
        strip.groups = whole->rows < most ? most / whole->rows : 1;
        if (strip.groups > whole->groups - group)
            strip.groups = whole->groups - group;
        for (ptrdiff_t row = 0; row < whole->rows; row += strip.rows) {
            strip.row = whole->row + row;
            strip.rows = whole->rows - row < most ? whole->rows - row : most;
            run_strip(net, packed, call, &strip, aside);
        }
    }
}

/* Computes all columns of a strip. */
static void run_all_columns(const struct rnn_net *net, const void *packed,
                            const struct linear_call *call, struct strip *strip)
{
    alignas(64) char aside[ASIDE_ROWS * MOST_PANEL_BYTES];
    const ptrdiff_t tail = net->hidden_size % (PANEL_VECTORS * net->kernels->lanes);

    strip->column = 0;
    strip->columns = net->hidden_size - tail;
    if (strip->columns > 0)
        run_strip(net, packed, call, strip, NULL);
    strip->column = strip->columns;
    strip->columns = tail;
    if (tail > 0)
        run_rows(net, packed, call, strip, ASIDE_ROWS, aside);
}

/* The most rows of a strip, and how many it has where "rows" are cut into few and even strips. */
static ptrdiff_t most_rows(const struct rnn_net *net)
{
    const ptrdiff_t bytes = (net->input_size + 1) * (ptrdiff_t)net->kernels->itemsize;

    return STRIP_BYTES / bytes < LEAST_ROWS ? LEAST_ROWS : STRIP_BYTES / bytes + 1;
}

static ptrdiff_t even_rows(ptrdiff_t rows, ptrdiff_t most)
{
    const ptrdiff_t count = (rows + most - 1) / most;

    return ((rows + count - 1) / count + 7) / 8 * 8; /* a register tile has eight */
}

bool linear_forward(const struct rnn_net *net, const void *packed, const struct linear_call *call)
{
    const fpenv_t saved = fpenv_enter();
    const ptrdiff_t most = most_rows(net), even = even_rows(call->rows, most);
    struct strip strip = {0};
    bool stopped = false;

    for (strip.group = 0; !stopped && strip.group < call->groups; strip.group += strip.groups) {
        strip.groups = call->rows < most ? most / call->rows : 1;
        if (strip.groups > call->groups - strip.group)
            strip.groups = call->groups - strip.group;
        for (strip.row = 0; !stopped && strip.row < call->rows; strip.row += strip.rows) {
            strip.rows = call->rows - strip.row < even ? call->rows - strip.row : even;
            run_all_columns(net, packed, call, &strip);
            stopped = call->stop && call->stop->asked(call->stop->data);
        }
    }
    fpenv_leave(saved);
    return !stopped;
}

void linear_project(const struct scan *scan, const void *hidden, char *h, ptrdiff_t rows)
{
    const struct rnn_net *net = scan->net;
    const ptrdiff_t totals = layout_totals(scan->at.proj_units);
    const struct gemm gemm = {
        .rows = rows,
        .groups = 1,
        .units = (net->proj_size + 3) / PANEL_VECTORS,
        .w = scan_offset(scan, scan->packed, scan->at.weight_hr),
        .depth = net->hidden_size,
        .x = hidden,
        .x_stride = net->hidden_size,
        .out = scan->projected,
        .out_stride = totals,
        .rows_x = scan->rows_hidden,
    };

    net->kernels->gemm(&gemm);
    for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(scan_offset(scan, h, row * scan->h_row),
               scan_offset(scan, scan->projected, row * totals),
               (size_t)net->proj_size * net->kernels->itemsize);
}
