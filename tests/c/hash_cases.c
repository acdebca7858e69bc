/* The bits that users may rely on, as hashes of fixed cases: equal at every level and on
 * every machine, and from one version to the next unless the changelog says otherwise. */
#include "cases.h"

#include "../../csrc/simd/storage.h"
#include "kernel_runs.h"
#include "network_runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, ACTIVATION_VALUES = 4096, MOST_ENTRIES = 256 };

static const struct step_shape step_shapes[] = {
    {.rows = 1, .hidden = 20, .depth_x = 100, .depth_h = 20, .with_x = true},
    {.rows = 3, .hidden = 1, .depth_x = 1, .depth_h = 1, .with_x = true, .with_h = true},
    {.rows = 5,
     .hidden = 33,
     .depth_x = 65,
     .depth_h = 33,
     .with_x = true,
     .with_h = true,
     .cell = CELL_SEPARATE},
    {.rows = 8,
     .hidden = 128,
     .depth_x = 257,
     .depth_h = 128,
     .with_x = true,
     .with_h = true,
     .cell = CELL_IN_PLACE},
    {.rows = 2,
     .hidden = 64,
     .depth_h = 200,
     .depth_x = 1,
     .init_rows = true,
     .with_h = true,
     .cell = CELL_SEPARATE,
     .descending = true},
    {.rows = 4,
     .hidden = 17,
     .depth_x = 64,
     .depth_h = 17,
     .with_x = true,
     .with_h = true,
     .cell = CELL_SEPARATE,
     .values = VALUES_HUGE},
    {.rows = 4,
     .hidden = 17,
     .depth_x = 64,
     .depth_h = 17,
     .with_x = true,
     .with_h = true,
     .cell = CELL_SEPARATE,
     .values = VALUES_TINY},
    {.rows = 4,
     .hidden = 17,
     .depth_x = 64,
     .depth_h = 17,
     .with_x = true,
     .with_h = true,
     .cell = CELL_SEPARATE,
     .values = VALUES_SUBNORMAL},
    {.rows = 4,
     .hidden = 17,
     .depth_x = 64,
     .depth_h = 17,
     .with_x = true,
     .with_h = true,
     .cell = CELL_SEPARATE,
     .values = VALUES_SPECIAL},
};

static const struct step_shape product_shapes[] = {
    {.rows = 1, .hidden = 5, .depth_x = 20},
    {.rows = 7, .hidden = 50, .depth_x = 129, .with_h = true, .init_rows = true},
    {.rows = 24, .hidden = 16, .depth_x = 64, .with_h = true},
};

/* Begin the names of the recorded cases of networks of each kind. */
static const char *const network_names[CELL_KINDS] = {[CELL_LSTM] = "network",
                                                      [CELL_GRU] = "GRU",
                                                      [CELL_RNN_TANH] = "RNN_TANH",
                                                      [CELL_RNN_RELU] = "RNN_RELU"};

static const char *const inside_names[INSIDE_COUNT] = {[INSIDE_NOTHING] = "",
                                                       [INSIDE_LENGTHS] = " lengths",
                                                       [INSIDE_SHUFFLED_LENGTHS] = " lengths",
                                                       [INSIDE_RESETS] = " reset"};

static const struct network_shape network_shapes[] = {
    {.input_size = 100,
     .hidden_size = 20,
     .num_layers = 4,
     .num_directions = 1,
     .bias = true,
     .steps = 10,
     .batch = 3},
    {.input_size = 5,
     .hidden_size = 16,
     .num_layers = 2,
     .num_directions = 2,
     .steps = 30,
     .batch = 1,
     .with_h0 = true,
     .with_c0 = true},
    {.input_size = 64,
     .hidden_size = 40,
     .proj_size = 7,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .steps = 6,
     .batch = 5,
     .with_h0 = true,
     .with_c0 = true},
    {.input_size = 3,
     .hidden_size = 33,
     .num_layers = 3,
     .num_directions = 2,
     .bias = true,
     .steps = 9,
     .batch = 6,
     .ragged = true,
     .with_h0 = true,
     .with_c0 = true},
    {.input_size = 8,
     .hidden_size = 12,
     .num_layers = 2,
     .num_directions = 1,
     .bias = true,
     .steps = 8,
     .batch = 4,
     .dropout = 0.25},
    {.input_size = 1,
     .hidden_size = 64,
     .num_layers = 1,
     .num_directions = 1,
     .bias = true,
     .steps = 100,
     .batch = 2},
    {.kind = CELL_GRU,
     .input_size = 100,
     .hidden_size = 20,
     .num_layers = 4,
     .num_directions = 1,
     .bias = true,
     .steps = 10,
     .batch = 3},
    {.kind = CELL_GRU,
     .input_size = 3,
     .hidden_size = 33,
     .num_layers = 3,
     .num_directions = 2,
     .bias = true,
     .steps = 9,
     .batch = 6,
     .ragged = true,
     .with_h0 = true},
    {.kind = CELL_GRU,
     .input_size = 8,
     .hidden_size = 101,
     .num_layers = 2,
     .num_directions = 1,
     .steps = 30,
     .batch = 1,
     .with_h0 = true,
     .dropout = 0.25},
    {.kind = CELL_RNN_TANH,
     .input_size = 64,
     .hidden_size = 40,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .steps = 9,
     .batch = 5,
     .ragged = true,
     .with_h0 = true},
    {.kind = CELL_RNN_RELU,
     .input_size = 64,
     .hidden_size = 40,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .steps = 9,
     .batch = 5,
     .ragged = true,
     .with_h0 = true},
    {.kind = CELL_LSTM,
     .input_size = 5,
     .hidden_size = 33,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .variant.peepholes = true,
     .variant.cell_clip = 0.4,
     .steps = 20,
     .batch = 4,
     .ragged = true,
     .with_h0 = true,
     .with_c0 = true},
    {.kind = CELL_LSTM,
     .input_size = 30,
     .hidden_size = 70,
     .proj_size = 7,
     .num_layers = 2,
     .num_directions = 1,
     .bias = true,
     .variant.gate_activation = GATE_HARD_SIGMOID,
     .variant.activation = ACTIVATION_SOFTSIGN,
     .steps = 12,
     .batch = 5},
    {.kind = CELL_LSTM,
     .input_size = 30,
     .hidden_size = 20,
     .num_layers = 1,
     .num_directions = 1,
     .bias = true,
     .reverse = true,
     .variant.gate_activation = GATE_HARD_SIGMOID3,
     .variant.activation = ACTIVATION_RELU,
     .variant.peepholes = true,
     .steps = 12,
     .batch = 1},
    {.kind = CELL_GRU,
     .input_size = 30,
     .hidden_size = 70,
     .num_layers = 1,
     .num_directions = 2,
     .bias = true,
     .variant.gate_activation = GATE_HARD_SIGMOID,
     .variant.activation = ACTIVATION_LINEAR,
     .steps = 6,
     .batch = 5},
    {.kind = CELL_GRU,
     .input_size = 30,
     .hidden_size = 70,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .variant.reset_before = true,
     .steps = 12,
     .batch = 5,
     .ragged = true,
     .with_h0 = true},
    {.kind = CELL_GRU,
     .input_size = 5,
     .hidden_size = 20,
     .num_layers = 2,
     .num_directions = 1,
     .reverse = true,
     .variant.gate_activation = GATE_HARD_SIGMOID3,
     .variant.activation = ACTIVATION_SOFTSIGN,
     .variant.reset_before = true,
     .steps = 30,
     .batch = 1},
    {.kind = CELL_LSTM,
     .input_size = 5,
     .hidden_size = 20,
     .num_layers = 2,
     .num_directions = 1,
     .bias = true,
     .reverse = true,
     .steps = 30,
     .batch = 2},
    {.kind = CELL_LSTM,
     .input_size = 30,
     .hidden_size = 33,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .steps = 12,
     .batch = 7,
     .ragged = true,
     .inside = INSIDE_SHUFFLED_LENGTHS,
     .traced = 0x3f,
     .gap = 1,
     .with_h0 = true,
     .with_c0 = true},
    {.kind = CELL_LSTM,
     .input_size = 5,
     .hidden_size = 40,
     .proj_size = 7,
     .num_layers = 2,
     .num_directions = 1,
     .bias = true,
     .variant.peepholes = true,
     .steps = 20,
     .batch = 3,
     .inside = INSIDE_RESETS,
     .traced = 0x3f,
     .with_h0 = true,
     .with_c0 = true,
     .dropout = 0.25},
    {.kind = CELL_GRU,
     .input_size = 30,
     .hidden_size = 70,
     .num_layers = 2,
     .num_directions = 2,
     .bias = true,
     .steps = 12,
     .batch = 5,
     .inside = INSIDE_RESETS,
     .traced = 0x27,
     .with_h0 = true},
    {.kind = CELL_GRU,
     .input_size = 5,
     .hidden_size = 20,
     .num_layers = 2,
     .num_directions = 1,
     .bias = true,
     .reverse = true,
     .variant.reset_before = true,
     .steps = 9,
     .batch = 6,
     .ragged = true,
     .inside = INSIDE_SHUFFLED_LENGTHS,
     .traced = 0x27,
     .dropout = 0.25},
    {.kind = CELL_RNN_TANH,
     .input_size = 64,
     .hidden_size = 40,
     .num_layers = 2,
     .num_directions = 2,
     .steps = 9,
     .batch = 5,
     .ragged = true,
     .inside = INSIDE_LENGTHS,
     .traced = 0x20},
    {.kind = CELL_RNN_RELU,
     .input_size = 64,
     .hidden_size = 40,
     .num_layers = 1,
     .num_directions = 1,
     .bias = true,
     .steps = 30,
     .batch = 1,
     .inside = INSIDE_RESETS,
     .with_h0 = true},
};

/* Recorded hashes, or the file that is being recorded. */
struct book {
    FILE *file;
    bool record;
    const char *level;
    int entries;
    struct {
        char name[NAME_SIZE];
        uint64_t hash;
    } entry[MOST_ENTRIES];
};

static bool book_read(struct book *book)
{
    char line[2 * NAME_SIZE];
    while (fgets(line, sizeof line, book->file)) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        if (book->entries == MOST_ENTRIES ||
            sscanf(line, "%" SCNx64 " %63[^\n]", &book->entry[book->entries].hash,
                   book->entry[book->entries].name) != 2) {
            return false;
        }
        book->entries++;
    }
    return true;
}

static void settle(struct book *book, const char *name, uint64_t hash)
{
    if (book->record) {
        fprintf(book->file, "%016" PRIx64 " %s\n", hash, name);
        return;
    }
    case_begin("hash of %s at level %s", name, book->level);
    for (int i = 0; i < book->entries; i++) {
        if (strcmp(book->entry[i].name, name) == 0) {
            check(book->entry[i].hash == hash, "%016" PRIx64 ", recorded %016" PRIx64, hash,
                  book->entry[i].hash);
            return;
        }
    }
    check(false, "%016" PRIx64 ", nothing recorded", hash);
}

static void hash_kernels(struct book *book, enum dtype dtype)
{
    const struct rnn_kernels *kernels = kernels_for(book->level, dtype);
    char name[NAME_SIZE];
    for (size_t i = 0; i < sizeof step_shapes / sizeof *step_shapes; i++) {
        struct step_shape shape = step_shapes[i];
        shape.dtype = dtype;
        shape.seed = i;
        struct step_data data = step_data_make(&shape);
        const ptrdiff_t count = shape.rows * shape.hidden;
        double *out = must_allocate((size_t)(2 * count), sizeof *out);
        step_run(kernels, &shape, &data, AT_END, out, out + count);
        snprintf(name, sizeof name, "step %zu %s", i, dtype_names[dtype]);
        settle(book, name, hash_reals(hash_start(), dtype, out, 2 * count));
        free(out);
        step_data_free(&data);
    }
    for (size_t i = 0; i < sizeof product_shapes / sizeof *product_shapes; i++) {
        struct step_shape shape = product_shapes[i];
        shape.dtype = dtype;
        shape.seed = i;
        struct step_data data = step_data_make(&shape);
        const ptrdiff_t count = shape.rows * PANEL_VECTORS * shape.hidden;
        double *out = must_allocate((size_t)count, sizeof *out);
        product_run(kernels, &shape, &data, AT_END, out);
        snprintf(name, sizeof name, "product %zu %s", i, dtype_names[dtype]);
        settle(book, name, hash_reals(hash_start(), dtype, out, count));
        free(out);
        step_data_free(&data);
    }
}

static void hash_activations(struct book *book, enum dtype dtype)
{
    double *x = must_allocate(2 * ACTIVATION_VALUES, sizeof *x), *out = x + ACTIVATION_VALUES;
    for (int is_tanh = 0; is_tanh < 2; is_tanh++) {
        struct random random = random_seed(9);
        char name[NAME_SIZE];
        for (int i = 0; i < ACTIVATION_VALUES; i++) {
            static const double scales[] = {0.001, 1.0, 10.0, 100.0, 800.0};
            x[i] = real_round(dtype, random_value(&random, dtype, (enum values)(i % VALUES_COUNT)) *
                                         scales[i % 7 % 5]);
        }
        activation_run(kernels_for(book->level, dtype), is_tanh, x, ACTIVATION_VALUES, AT_END, out);
        snprintf(name, sizeof name, "%s %s", is_tanh ? "tanh" : "sigmoid", dtype_names[dtype]);
        settle(book, name, hash_reals(hash_start(), dtype, out, ACTIVATION_VALUES));
    }
    free(x);
}

static void hash_networks(struct book *book, enum dtype dtype, enum storage storage)
{
    const char *weights = storage ? storage_formats[storage].name : dtype_names[dtype];
    char name[NAME_SIZE];
    for (size_t i = 0; i < sizeof network_shapes / sizeof *network_shapes; i++) {
        struct network_shape shape = network_shapes[i];
        shape.dtype = dtype;
        shape.storage = storage;
        shape.seed = i;
        struct network_data data = network_data_make(&shape);
        const ptrdiff_t size = network_result_size(&data);
        double *out = must_allocate((size_t)size, sizeof *out);
        network_run(book->level, &shape, &data, AT_END, out);
        snprintf(name, sizeof name, "%s%s%s%s%s %zu %s", network_names[shape.kind],
                 cell_is_variant(&shape.variant) ? " variant" : "", shape.reverse ? " reverse" : "",
                 inside_names[shape.inside], shape.traced ? " traced" : "", i, weights);
        settle(book, name, hash_reals(hash_start(), dtype, out, size));
        free(out);
        network_data_free(&data);
    }
}

/* torch.manual_seed(0); LSTM(2, 3): torch's bits, not only ours. */
static void hash_first_values(struct book *book, enum dtype dtype)
{
    const struct rnn_net net = {.kernels = kernels_for(book->level, dtype),
                                .kind = CELL_LSTM,
                                .input_size = 2,
                                .hidden_size = 3,
                                .num_layers = 1,
                                .num_directions = 1,
                                .bias = true};
    const ptrdiff_t count = rnn_params_size(&net);
    double *values = must_allocate((size_t)(2 * count), sizeof *values), *params = values + count;
    struct generator rng;
    char name[NAME_SIZE];

    generator_seed(&rng, 0);
    rnn_reset_parameters(&net, &rng, params);
    for (ptrdiff_t i = 0; i < count; i++) {
        values[i] = real_get(dtype, params, i);
    }
    snprintf(name, sizeof name, "first values %s", dtype_names[dtype]);
    settle(book, name, hash_reals(hash_start(), dtype, values, count));
    free(values);
}

void check_hashes(const char *path, bool record)
{
    struct book book = {.file = fopen(path, record ? "w" : "r"), .record = record};

    case_begin("hashes in %s", path);
    if (!check(book.file != NULL, "cannot open the file")) {
        return;
    }
    if (record) {
        fprintf(book.file,
                "# FNV-1a 64 over the little-endian results of fixed cases, by hash_cases.c."
                "\n# make -C tests/c record; only with a changed bit in CHANGELOG.md.\n");
    } else {
        check(book_read(&book), "cannot be read");
    }
    for (const char *const *next = levels(); (book.level = *next) != NULL; next++) {
        for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            hash_kernels(&book, dtype);
            hash_activations(&book, dtype);
            hash_networks(&book, dtype, STORAGE_FLOAT);
            hash_first_values(&book, dtype);
        }
        if (record) {
            break; /* portable speaks for all */
        }
    }
    for (int i = 0; (book.level = kernels_flavour_name(i)) != NULL && !(record && i > 0); i++) {
        for (enum storage storage = STORAGE_INT8;
             storage < STORAGES && kernels_flavour_available(i); storage++) {
            hash_networks(&book, DTYPE_FLOAT32, storage);
        }
    }
    fclose(book.file);
    printf("hashes: %s %s\n", record ? "recorded in" : "compared with", path);
}
