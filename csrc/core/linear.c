#include "linear.h"

#include <string.h>

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
