#include "conv.h"

#include "fpenv.h"
#include "linear.h"

#include <string.h>

/* There are two ways, with the same bits, since a fused multiply-add may exchange its factors.
 *
 * By windows: what a frame sees is a row of inputs, and the weights are packed, as of a linear layer.
 * By lanes: the inputs of many frames side by side are packed in the place of weights, and the rows of
 * the weight are the rows of inputs. It writes y as [O, frames] and reads x along time, but computes
 * whole panels of frames. */

/* Rows of windows at once. */
enum { WINDOW_ROWS = 64 };

struct conv {
    const struct rnn_net *net;
    const void *packed;
    const struct conv_call *call;
    ptrdiff_t width;    /* frames of a panel */
    ptrdiff_t channels; /* of x, of one group */
    ptrdiff_t outputs;  /* channels of y, of one group */
    char *panel;        /* [depth, width], or windows [WINDOW_ROWS, depth] */
    char *aside;        /* [outputs, width], or rows of y [WINDOW_ROWS, O] */
};

static ptrdiff_t itemsize_of(const struct rnn_net *net)
{
    return (ptrdiff_t)net->kernels->itemsize;
}

static char *offset(const struct rnn_net *net, const void *p, ptrdiff_t count)
{
    return (char *)(uintptr_t)p + count * itemsize_of(net);
}

static struct conv conv_of(const struct rnn_net *net, const void *packed,
                           const struct conv_call *call)
{
    return (struct conv){
        .net = net,
        .packed = packed,
        .call = call,
        .width = PANEL_VECTORS * net->kernels->lanes,
        .channels = net->input_size / net->kernel,
        .outputs = net->hidden_size / call->groups,
    };
}

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* Frames of a call that go by lanes; those behind them go by windows, since most of a panel would be
 * padding. The packed weights are those of all groups: several groups go by lanes. */
static ptrdiff_t frames_by_lanes(const struct conv *conv)
{
    const ptrdiff_t frames = conv->call->frames, tail = frames % conv->width;

    return conv->call->groups > 1 || 8 * tail > 7 * conv->width ? frames : frames - tail;
}

/* Rows of the workspace: frames of a panel, or windows. */
static ptrdiff_t rows_of(const struct conv *conv)
{
    return conv->width > WINDOW_ROWS ? conv->width : WINDOW_ROWS;
}

static ptrdiff_t panel_elements(const struct conv *conv)
{
    return layout_align(rows_of(conv) * conv->net->input_size, PIECE_ALIGN);
}

ptrdiff_t conv_workspace(const struct rnn_net *net, const struct conv_call *call)
{
    const struct conv conv = conv_of(net, NULL, call);
    const double depth = (double)net->input_size + (double)net->hidden_size + PIECE_ALIGN;

    if ((double)rows_of(&conv) * depth * 8 >= (double)PTRDIFF_MAX / 4)
        return -1;
    return (panel_elements(&conv) + rows_of(&conv) * net->hidden_size) * itemsize_of(net);
}

/* ---- Copies ---- */

#define REAL float
#define NAME(x) x##_f32
#include "conv_template.h"

#define REAL double
#define NAME(x) x##_f64
#include "conv_template.h"

/* Calls a function of the template for the elements of the net. */
#define FOR_DTYPE(net, function, to, from, ...)                                                    \
    do {                                                                                           \
        if ((net)->kernels->dtype == DTYPE_FLOAT32)                                                \
            function##_f32((float *)(void *)(to), (const float *)(const void *)(from),             \
                           __VA_ARGS__);                                                           \
        else                                                                                       \
            function##_f64((double *)(void *)(to), (const double *)(const void *)(from),           \
                           __VA_ARGS__);                                                           \
    } while (0)

static void copy_strided(const struct rnn_net *net, char *to, const char *from, ptrdiff_t count,
                         ptrdiff_t stride)
{
    FOR_DTYPE(net, copy, to, from, count, stride);
}

static void spread(const struct rnn_net *net, char *to, const char *from, ptrdiff_t count,
                   ptrdiff_t stride)
{
    FOR_DTYPE(net, spread, to, from, count, stride);
}

/* What "count" frames from "frame" on see at one position of the kernel, in one channel at "x". */
static void gather(const struct conv *conv, const char *x, ptrdiff_t position, ptrdiff_t frame,
                   ptrdiff_t count, char *to)
{
    const struct conv_call *call = conv->call;
    const ptrdiff_t first = position * call->dilation - call->padding; /* of frame 0 */
    const ptrdiff_t before = first < 0 ? (-first - 1) / call->stride + 1 : 0;
    const ptrdiff_t past = call->length > first ? (call->length - first - 1) / call->stride + 1 : 0;
    const ptrdiff_t begin = least(before > frame ? before - frame : 0, count);
    const ptrdiff_t end = past > frame + begin ? least(past - frame, count) : begin;

    memset(to, 0, (size_t)(begin * itemsize_of(conv->net)));
    if (end > begin)
        copy_strided(conv->net, offset(conv->net, to, begin),
                     offset(conv->net, x, ((frame + begin) * call->stride + first) * call->x_time),
                     end - begin, call->stride * call->x_time);
    memset(offset(conv->net, to, end), 0, (size_t)((count - end) * itemsize_of(conv->net)));
}

/* ---- By windows ---- */

/* What one frame sees, as a row of inputs: "begin" to "end" of the kernel stand on numbers of x. */
static void write_window(const struct conv *conv, ptrdiff_t item, ptrdiff_t frame, char *row)
{
    const struct conv_call *call = conv->call;
    const struct rnn_net *net = conv->net;
    const ptrdiff_t kernel = net->kernel, dilation = call->dilation;
    const ptrdiff_t first = frame * call->stride - call->padding, left = call->length - first;
    const ptrdiff_t begin = first < 0 ? least((-first - 1) / dilation + 1, kernel) : 0;
    const ptrdiff_t end = left > 0 ? least((left - 1) / dilation + 1, kernel) : 0;

    if (end - begin < kernel)
        memset(row, 0, (size_t)(net->input_size * itemsize_of(net)));
    if (end > begin)
        FOR_DTYPE(
            net, window, offset(net, row, begin),
            offset(net, call->x, item * call->x_batch + (first + begin * dilation) * call->x_time),
            conv->channels, call->x_channel, kernel, end - begin, dilation * call->x_time);
}

/* Computes rows of the windows of all items: of [batch, frames] rows, or of [frames, batch] if y is so,
 * without the first "begin" frames. */
static void run_windows(const struct conv *conv, ptrdiff_t begin, ptrdiff_t row, ptrdiff_t rows)
{
    const struct conv_call *call = conv->call;
    const struct rnn_net *net = conv->net;
    const ptrdiff_t outputs = net->hidden_size, frames = call->frames - begin;
    const struct linear_call linear = {
        .groups = 1,
        .rows = rows,
        .x = conv->panel,
        .x_row = net->input_size,
        .y = call->time_major ? offset(net, call->y, (begin * call->batch + row) * outputs)
                              : conv->aside,
    };

    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t item = call->time_major ? (row + i) % call->batch : (row + i) / frames;
        const ptrdiff_t frame = call->time_major ? (row + i) / call->batch : (row + i) % frames;
        write_window(conv, item, begin + frame, offset(net, conv->panel, i * net->input_size));
    }
    linear_forward(net, conv->packed, &linear);
    for (ptrdiff_t i = 0; i < rows && !call->time_major; i++) {
        const ptrdiff_t item = (row + i) / frames, frame = begin + (row + i) % frames;
        spread(net, offset(net, call->y, item * outputs * call->frames + frame),
               offset(net, conv->aside, i * outputs), outputs, call->frames);
    }
}

/* ---- By lanes ---- */

/* Packs what "count" frames of a group see; lanes behind them are zero. */
static void pack_frames(const struct conv *conv, const char *x, ptrdiff_t frame, ptrdiff_t count,
                        ptrdiff_t width)
{
    const struct rnn_net *net = conv->net;
    char *to = conv->panel;

    for (ptrdiff_t channel = 0; channel < conv->channels; channel++) {
        for (ptrdiff_t position = 0; position < net->kernel; position++) {
            gather(conv, x, position, frame, count, to);
            memset(offset(net, to, count), 0, (size_t)((width - count) * itemsize_of(net)));
            to = offset(net, to, width);
        }
        x = offset(net, x, conv->call->x_channel);
    }
}

/* Computes "count" frames of one group of one item of the batch. */
static void run_frames(const struct conv *conv, ptrdiff_t item, ptrdiff_t group, ptrdiff_t frame,
                       ptrdiff_t count)
{
    const struct conv_call *call = conv->call;
    const struct rnn_net *net = conv->net;
    const struct rnn_kernels *kernels = net->kernels;
    const ptrdiff_t units =
        PANEL_VECTORS * kernels->narrow_lanes >= count ? kernels->narrow_lanes : kernels->lanes;
    const ptrdiff_t width = PANEL_VECTORS * units, output = group * conv->outputs;
    const bool direct = !call->time_major && width == count;
    char *y = offset(net, call->y, (item * net->hidden_size + output) * call->frames + frame);
    char *out = direct ? y : conv->aside;
    const struct gemm gemm = {
        .rows = conv->outputs,
        .groups = 1,
        .units = units,
        .init = out,
        .init_stride = direct ? call->frames : width,
        .w = conv->panel,
        .depth = net->input_size,
        .x = offset(net, conv->packed,
                    direction_layout(net, 0).weight_hh + output * net->input_size),
        .x_stride = net->input_size,
        .out = out,
        .out_stride = direct ? call->frames : width,
    };

    pack_frames(
        conv, offset(net, call->x, item * call->x_batch + group * conv->channels * call->x_channel),
        frame, count, width);
    for (ptrdiff_t i = 0; i < conv->outputs; i++)
        FOR_DTYPE(net, fill, offset(net, out, i * gemm.out_stride),
                  offset(net, conv->packed, output + i), width);
    kernels->gemm(&gemm);
    for (ptrdiff_t i = 0; i < conv->outputs && !direct; i++) {
        const char *from = offset(net, conv->aside, i * width);
        if (call->time_major)
            spread(
                net,
                offset(net, call->y, (frame * call->batch + item) * net->hidden_size + output + i),
                from, count, call->batch * net->hidden_size);
        else
            memcpy(offset(net, y, i * call->frames), from, (size_t)(count * itemsize_of(net)));
    }
}

/* Computes the first frames of one group of one item, in panels of which the last may overlap another. */
static bool run_group(const struct conv *conv, ptrdiff_t item, ptrdiff_t group, ptrdiff_t frames)
{
    const struct conv_call *call = conv->call;
    const ptrdiff_t narrow = PANEL_VECTORS * conv->net->kernels->narrow_lanes;
    bool stopped = false;

    for (ptrdiff_t frame = 0; !stopped && frame < frames; frame += conv->width) {
        const ptrdiff_t left = frames - frame;
        ptrdiff_t count = least(left, conv->width);
        if (left < conv->width && left > narrow && frames >= conv->width)
            count = conv->width;
        else if (left < narrow && frames >= narrow)
            count = narrow;
        run_frames(conv, item, group, frame + least(left - count, 0), count);
        stopped = call->stop && call->stop->asked(call->stop->data);
    }
    return !stopped;
}

bool conv_forward(const struct rnn_net *net, const void *packed, const struct conv_call *call)
{
    const fpenv_t saved = fpenv_enter();
    struct conv conv = conv_of(net, packed, call);
    const ptrdiff_t begin = frames_by_lanes(&conv), rows = call->batch * (call->frames - begin);
    bool finished = true;

    conv.panel = call->workspace;
    conv.aside = offset(net, call->workspace, panel_elements(&conv));
    for (ptrdiff_t item = 0; finished && item < call->batch; item++)
        for (ptrdiff_t group = 0; finished && group < call->groups; group++)
            finished = run_group(&conv, item, group, begin);
    for (ptrdiff_t row = 0; finished && row < rows; row += WINDOW_ROWS) {
        run_windows(&conv, begin, row, least(rows - row, WINDOW_ROWS));
        finished = !call->stop || !call->stop->asked(call->stop->data);
    }
    fpenv_leave(saved);
    return finished;
}
