#include "team_runs.h"

#include "../../csrc/simd/storage.h"

#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 128, WRONG = 0x5a };

atomic_long teams_made, teams_released;

void *team_allocate(size_t size)
{
    void *memory = aligned_reserve(ALIGNMENT, size + 1);
    if (memory == NULL) {
        printf("out of memory\n");
        exit(1);
    }
    return memory;
}

/* ---- The call ---- */

static ptrdiff_t hidden_out(const struct rnn_net *net)
{
    return net->proj_size ? net->proj_size : net->hidden_size;
}

static void set_strides(const struct network_shape *shape, ptrdiff_t width, ptrdiff_t *step,
                        ptrdiff_t *row)
{
    const bool batch_major = shape->batch_major && !network_is_packed(shape);
    *step = batch_major ? width : shape->batch * width;
    *row = batch_major ? network_array_steps(shape) * width : width;
}

/* Rows of x and y. */
static ptrdiff_t subject_rows(const struct network_shape *shape, const struct network_data *data)
{
    return network_is_packed(shape) ? data->rows : network_array_steps(shape) * shape->batch;
}

static void fill_inputs(struct subject *subject, const struct network_shape *shape)
{
    const struct network_data *data = &subject->data;
    const ptrdiff_t width = shape->input_size, x_size = subject_rows(shape, data) * width;
    const size_t itemsize = real_size(shape->dtype);
    struct rnn_call *call = &subject->call;
    char *at = subject->inputs =
        team_allocate((size_t)(x_size + data->h_size + data->c_size) * itemsize);

    call->x = at;
    set_strides(shape, width, &call->x_step, &call->x_row);
    for (ptrdiff_t row = 0; row < data->rows; row++)
        for (ptrdiff_t i = 0; i < width; i++)
            real_set(shape->dtype, at,
                     network_row_at(shape, data, call->x_step, call->x_row, row) + i,
                     data->x[row * width + i]);
    at += (size_t)x_size * itemsize;
    for (ptrdiff_t i = 0; i < data->h_size; i++)
        real_set(shape->dtype, at, network_state_at(shape, data, i, hidden_out(&subject->net)),
                 data->h0[i]);
    for (ptrdiff_t i = 0; i < data->c_size; i++)
        real_set(shape->dtype, at + (size_t)data->h_size * itemsize,
                 network_state_at(shape, data, i, shape->hidden_size), data->c0[i]);
    if (shape->with_h0) {
        call->h0 = at;
        call->h0_row = hidden_out(&subject->net);
        call->h0_layer = shape->batch * call->h0_row;
    }
    if (shape->with_c0 && data->c_size) {
        call->c0 = at + (size_t)data->h_size * itemsize;
        call->c0_row = shape->hidden_size;
        call->c0_layer = shape->batch * call->c0_row;
    }
    if (network_is_packed(shape))
        call->batch_sizes = data->batch_sizes;
}

static void fill_within(struct subject *subject, const struct network_shape *shape)
{
    const struct network_data *data = &subject->data;
    struct rnn_within *within = team_allocate(sizeof *within);
    int64_t *lengths = team_allocate((size_t)(2 * shape->batch + shape->steps) * sizeof *lengths);
    int64_t *order = lengths + shape->batch, *sizes = order + shape->batch;

    *within = (struct rnn_within){.steps = network_array_steps(shape)};
    if (shape->inside == INSIDE_RESETS) {
        within->reset = data->reset;
        within->reset_step = shape->batch;
        within->reset_row = 1;
    }
    if (network_has_lengths(shape)) {
        for (ptrdiff_t row = 0; row < shape->batch; row++)
            lengths[data->places[row]] = network_length(data, shape->steps, row);
        within->lengths = lengths;
        within->order = rnn_order_lengths(lengths, shape->batch, order, sizes) ? NULL : order;
        within->sizes = sizes;
    }
    subject->within = within;
    subject->numbers = lengths;
    if (shape->inside != INSIDE_NOTHING || shape->traced)
        subject->call.within = within;
}

/* Points the call at its results, one behind the other. Returns their bytes. */
static size_t point_results(struct subject *subject, const struct network_shape *shape,
                            unsigned char *results)
{
    const struct network_data *data = &subject->data;
    const size_t itemsize = subject->net.kernels->itemsize;
    const ptrdiff_t scans = shape->num_layers * shape->num_directions;
    const size_t each =
        (size_t)(scans * network_array_steps(shape) * shape->batch * shape->hidden_size) * itemsize;
    struct rnn_trace *trace = &subject->within->trace;
    struct rnn_call *call = &subject->call;
    unsigned char *at = results;

    call->y = at;
    at += (size_t)(subject_rows(shape, data) * shape->num_directions * hidden_out(&subject->net)) *
          itemsize;
    call->h_n = at;
    at += (size_t)data->h_size * itemsize;
    call->c_n = data->c_size ? at : NULL;
    at += (size_t)data->c_size * itemsize;
    for (int array = 0; array < TRACES; array++)
        if (network_has_trace(shape, array)) {
            *(array < 4 ? &trace->gates[array] : array == 4 ? &trace->c : &trace->h) = at;
            at += each;
        }
    return (size_t)(at - results);
}

static void pack(struct subject *subject)
{
    const struct network_data *data = &subject->data;
    const enum dtype dtype = subject->net.kernels->dtype;
    const bool compressed = subject->net.kernels->storage->itemsize != 0;
    void *params = team_allocate(compressed ? (size_t)rnn_stored_size(&subject->net)
                                            : (size_t)data->params_size * real_size(dtype));

    if (compressed)
        network_compress(&subject->net, data, params);
    for (ptrdiff_t i = 0; !compressed && i < data->params_size; i++)
        real_set(dtype, params, i, data->params[i]);
    subject->packed = team_allocate((size_t)rnn_packed_size(&subject->net) * real_size(dtype));
    subject->call.finite_weights = rnn_pack(&subject->net, params, subject->packed);
    aligned_release(params);
}

struct subject subject_make(const struct network_shape *shape, const char *level)
{
    struct subject subject = {.data = network_data_make(shape)};

    subject.net = subject.data.net;
    subject.net.kernels = network_kernels(level, shape);
    subject.call.steps = shape->steps;
    subject.call.batch = shape->batch;
    subject.call.descending = network_descends(shape);
    fill_inputs(&subject, shape);
    set_strides(shape, shape->num_directions * hidden_out(&subject.net), &subject.call.y_step,
                &subject.call.y_row);
    pack(&subject);
    fill_within(&subject, shape);
    /* Where they would be, from the address of anything: that says how many bytes they are. */
    subject.result_bytes = point_results(&subject, shape, subject.inputs);
    subject.expected = team_allocate(subject.result_bytes);
    subject.results = team_allocate(subject.result_bytes);
    point_results(&subject, shape, subject.results);
    subject_spoil(&subject); /* what lies beyond a length stays so */
    subject_run_alone(&subject);
    memcpy(subject.expected, subject.results, subject.result_bytes);
    subject_spoil(&subject);
    return subject;
}

void subject_free(struct subject *subject)
{
    network_data_free(&subject->data);
    aligned_release(subject->packed);
    aligned_release(subject->inputs);
    aligned_release(subject->within);
    aligned_release(subject->numbers);
    aligned_release(subject->expected);
    aligned_release(subject->results);
}

void subject_spoil(struct subject *subject)
{
    memset(subject->results, WRONG, subject->result_bytes);
}

bool subject_is_right(const struct subject *subject)
{
    const enum dtype dtype = subject->net.kernels->dtype;
    const ptrdiff_t count = (ptrdiff_t)(subject->result_bytes / real_size(dtype));

    for (ptrdiff_t i = 0; i < count; i++)
        if (!real_same(real_get(dtype, subject->results, i), real_get(dtype, subject->expected, i)))
            return false;
    return true;
}

void subject_run_alone(struct subject *subject)
{
    void *workspace;

    workspace = team_allocate((size_t)rnn_workspace_size(&subject->net, &subject->call));
    rnn_forward(&subject->net, subject->packed, &subject->call, workspace);
    aligned_release(workspace);
}

/* ---- Teams ---- */

const char *sharing_name(enum sharing sharing)
{
    static const char *const names[] = {"nothing", "rows", "directions", "units"};
    return names[sharing];
}

bool plan_force(const struct subject *subject, enum sharing sharing, int threads, struct plan *plan)
{
    const struct rnn_net *net = &subject->net;
    const ptrdiff_t each = layout_shared_units(net);
    const ptrdiff_t pieces = (net->hidden_size + each - 1) / each;

    *plan = (struct plan){.sharing = sharing, .threads = threads};
    if (sharing == SHARE_UNITS)
        return plan_may_share_units(net, &subject->call) && threads <= pieces;
    plan->tasks = sharing == SHARE_ROWS ? threads : 2;
    plan->phases = sharing == SHARE_ROWS ? 1 : net->num_layers;
    return sharing == SHARE_ROWS ? threads <= subject->call.batch
                                 : threads == 2 && net->num_directions == 2;
}

static void release(struct team *team)
{
    aligned_release(team->workspace);
    aligned_release(team);
    atomic_fetch_add(&teams_released, 1);
}

struct team *team_make(const struct subject *subject, const struct plan *plan)
{
    struct team *team = team_allocate(sizeof *team);

    memset(team, 0, sizeof *team);
    team->net = subject->net;
    team->packed = subject->packed;
    team->call = subject->call;
    team->plan = *plan;
    team->workspace = team_allocate((size_t)plan_workspace(plan, &subject->net, &subject->call));
    team->release = release;
    atomic_fetch_add(&teams_made, 1);
    return team;
}

int pool_insist(struct pool *pool, const struct plan *plan)
{
    for (long tries = 0; tries < 1000000; tries++) {
        const int helpers = pool_enter(pool, plan->threads - 1, false);
        if (helpers > 0)
            return helpers;
        if (tries > 2000) /* a backoff lasts, or a helper is at work */
            os_nap();
    }
    printf("no helper can be had\n");
    exit(1);
}

bool thread_count_becomes(int count)
{
    for (int tries = 0; tries < 20000 && thread_count() > count; tries++)
        os_nap();
    return thread_count() == count;
}
