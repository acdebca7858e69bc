/* A fixed piece of work for counting instructions:  workload LEVEL NAME
 *
 * Draws weights from seed 0, packs them and runs one forward scan. Only counted_pack() or
 * counted_forward() is counted, whichever instructions.py names to callgrind: together, the
 * packing would hide the scan. */
#include "../csrc/core/pack.h"
#include "../csrc/core/params.h"
#include "../csrc/simd/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct workload {
    const char *name;
    enum cell_kind kind;
    enum dtype dtype;
    ptrdiff_t input_size, hidden_size, proj_size, num_layers;
    int num_directions;
    ptrdiff_t steps, batch;
};

static const struct workload WORKLOADS[] = {
    {"step", CELL_LSTM, DTYPE_FLOAT32, 128, 128, 0, 1, 1, 1, 1},
    {"stream", CELL_LSTM, DTYPE_FLOAT32, 128, 128, 0, 1, 1, 50, 1},
    {"batch", CELL_LSTM, DTYPE_FLOAT32, 64, 64, 0, 1, 1, 50, 8},
    {"tails", CELL_LSTM, DTYPE_FLOAT32, 33, 21, 0, 2, 2, 20, 7},
    {"projection", CELL_LSTM, DTYPE_FLOAT32, 40, 64, 24, 1, 1, 20, 4},
    {"double", CELL_LSTM, DTYPE_FLOAT64, 48, 48, 0, 1, 1, 20, 8},
    {"gru", CELL_GRU, DTYPE_FLOAT32, 64, 64, 0, 1, 1, 50, 8},
    {"gru-tails", CELL_GRU, DTYPE_FLOAT32, 33, 21, 0, 2, 2, 20, 7},
    {"rnn", CELL_RNN_TANH, DTYPE_FLOAT32, 64, 64, 0, 1, 1, 50, 8},
    {"rnn-stream", CELL_RNN_TANH, DTYPE_FLOAT32, 20, 20, 0, 1, 1, 50, 1},
};

enum { WORKLOAD_COUNT = sizeof WORKLOADS / sizeof WORKLOADS[0], ALIGNMENT = 64 };

/* Zeroed and aligned; ends the program where there is no memory. */
static void *allocate(ptrdiff_t count, size_t itemsize)
{
    const size_t bytes = ((size_t)count * itemsize + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    void *memory = count < 0 ? NULL : aligned_alloc(ALIGNMENT, bytes);

    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    memset(memory, 0, bytes);
    return memory;
}

/* The counted functions are external, so that their names survive inlining. */
bool counted_pack(const struct rnn_net *net, const void *params, void *packed);
void counted_forward(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                     void *workspace);

__attribute__((noinline)) bool counted_pack(const struct rnn_net *net, const void *params,
                                            void *packed)
{
    return rnn_pack(net, params, packed);
}

__attribute__((noinline)) void counted_forward(const struct rnn_net *net, const void *packed,
                                               const struct rnn_call *call, void *workspace)
{
    rnn_forward(net, packed, call, workspace);
}

/* Inputs in [-1, 1) from the generator, in the network's dtype. */
static void *draw_input(struct generator *rng, enum dtype dtype, ptrdiff_t count)
{
    void *x = allocate(count, dtype == DTYPE_FLOAT64 ? sizeof(double) : sizeof(float));

    if (dtype == DTYPE_FLOAT64)
        generator_uniform_f64(rng, -1, 1, x, count);
    else
        generator_uniform_f32(rng, -1, 1, x, count);
    return x;
}

static void run(const struct workload *work, const struct rnn_kernels *kernels)
{
    static struct generator rng;
    const struct rnn_net net = {
        .kernels = kernels,
        .kind = work->kind,
        .input_size = work->input_size,
        .hidden_size = work->hidden_size,
        .proj_size = work->proj_size,
        .num_layers = work->num_layers,
        .num_directions = work->num_directions,
        .bias = true,
    };
    const ptrdiff_t output = work->num_directions * rnn_hidden_out(&net);
    const ptrdiff_t states = work->num_layers * work->num_directions * work->batch;
    struct rnn_call call = {
        .steps = work->steps,
        .batch = work->batch,
        .x_step = work->batch * work->input_size,
        .x_row = work->input_size,
        .y_step = work->batch * output,
        .y_row = output,
        .rng = &rng,
    };
    void *params = allocate(rnn_params_size(&net), kernels->itemsize);
    void *packed = allocate(rnn_packed_size(&net), kernels->itemsize);
    void *workspace = allocate(rnn_workspace_size(&net, &call), 1);
    void *y = allocate(work->steps * call.y_step, kernels->itemsize);

    generator_seed(&rng, 0);
    rnn_reset_parameters(&net, &rng, params);
    void *x = draw_input(&rng, kernels->dtype, work->steps * call.x_step);
    call.x = x;
    call.y = y;
    call.h_n = allocate(states * rnn_hidden_out(&net), kernels->itemsize);
    if (cells[work->kind].states > 1)
        call.c_n = allocate(states * work->hidden_size, kernels->itemsize);
    call.finite_weights = counted_pack(&net, params, packed);
    counted_forward(&net, packed, &call, workspace);

    free(params);
    free(packed);
    free(workspace);
    free(x);
    free(y);
    free(call.h_n);
    free(call.c_n);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        for (int k = 0; k < WORKLOAD_COUNT; k++)
            puts(WORKLOADS[k].name);
        return 0;
    }
    for (int k = 0; argc == 3 && k < WORKLOAD_COUNT; k++) {
        if (strcmp(argv[2], WORKLOADS[k].name) != 0)
            continue;
        if (kernels_select(argv[1]) != 0) {
            fprintf(stderr, "this machine cannot run the level %s\n", argv[1]);
            return 1;
        }
        run(&WORKLOADS[k], kernels_current(WORKLOADS[k].dtype));
        return 0;
    }
    fprintf(stderr, "usage: %s [LEVEL NAME]\n", argv[0]);
    return 2;
}
