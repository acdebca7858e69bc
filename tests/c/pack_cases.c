#include "cases.h"

#include "../../csrc/core/pack.h"
#include "../../csrc/core/params.h"

#include "../../csrc/core/rnn.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 2 << 20, POLLUTION = 0xff };
enum slot { SLOT_PARAMS, SLOT_PACKED, SLOT_OTHER, SLOT_COUNT };

static struct guarded *slots(void)
{
    static struct guarded all[SLOT_COUNT];
    if (!all[0].base) {
        for (int i = 0; i < SLOT_COUNT; i++) {
            guarded_open(&all[i], LARGEST);
        }
    }
    return all;
}

/* One network at one level, its parameters packed. */
struct subject {
    struct rnn_net net;
    unsigned char *params, *packed;
    size_t params_bytes, packed_bytes;
    bool finite;
};

static void subject_pack(struct subject *subject)
{
    subject->finite = rnn_pack(&subject->net, subject->params, subject->packed);
    guarded_check(&slots()[SLOT_PACKED], "packed");
}

/* Random values, zeros of both signs among them; each placement guards another end. */
static struct subject subject_make(const struct rnn_net *net, const char *level, uint64_t seed,
                                   enum placement placement)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t count = rnn_params_size(net);
    struct random random = random_seed(seed);
    struct subject subject = {.net = *net};

    case_begin("packing %s%s%s %s %s input %td hidden %td proj %td layers %td directions %d%s",
               cells[net->kind].mode, net->variant.peepholes ? " peepholes" : "",
               net->variant.reset_before ? " reset before" : "", level, dtype_names[dtype],
               net->input_size, net->hidden_size, net->proj_size, net->num_layers,
               net->num_directions, net->bias ? "" : " no bias");
    subject.net.kernels = kernels_for(level, dtype);
    subject.params_bytes = (size_t)count * real_size(dtype);
    subject.packed_bytes = (size_t)rnn_packed_size(&subject.net) * real_size(dtype);
    subject.params =
        guarded_place(&slots()[SLOT_PARAMS], subject.params_bytes, placement, POLLUTION);
    subject.packed =
        guarded_place(&slots()[SLOT_PACKED], subject.packed_bytes, placement, POLLUTION);
    for (ptrdiff_t i = 0; i < count; i++) {
        real_set(dtype, subject.params, i, random_value(&random, dtype, VALUES_ORDINARY));
    }
    subject_pack(&subject);
    return subject;
}

static bool is_packed(const struct subject *subject, ptrdiff_t index)
{
    return rnn_param_is_packed(&subject->net, index, subject->params, subject->packed);
}

/* The index of a parameter that is not what is packed, -1 for none. */
static ptrdiff_t first_changed(const struct subject *subject)
{
    for (ptrdiff_t index = 0; index < rnn_param_count(&subject->net); index++) {
        if (!is_packed(subject, index)) {
            return index;
        }
    }
    return -1;
}

/* True if packing now would write other bytes. */
static bool packs_otherwise(const struct subject *subject)
{
    unsigned char *other =
        guarded_place(&slots()[SLOT_OTHER], subject->packed_bytes, AT_END, POLLUTION);
    rnn_pack(&subject->net, subject->params, other);
    return memcmp(other, subject->packed, subject->packed_bytes) != 0;
}

/* One bit of one element is another, then again what it was. Of a bias it may vanish in the sum. */
static void check_bit(struct subject *subject, ptrdiff_t index, ptrdiff_t element, int bit)
{
    const struct rnn_param param = rnn_param_at(&subject->net, index);
    const size_t size = real_size(subject->net.kernels->dtype);
    unsigned char *byte =
        subject->params + (size_t)(param.offset + element) * size + (size_t)(bit / 8);

    *byte = (unsigned char)(*byte ^ 1U << bit % 8);
    const bool changed = param.ndim == 2 || packs_otherwise(subject);
    check(is_packed(subject, index) == !changed,
          "parameter %td element %td: another bit %d, which is %sseen", index, element, bit,
          changed ? "not " : "");
    *byte = (unsigned char)(*byte ^ 1U << bit % 8);
    check(is_packed(subject, index), "parameter %td element %td differs from itself", index,
          element);
}

/* A weight that is another is packed so, and no other parameter counts as changed. */
static void check_alone(struct subject *subject, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(&subject->net, index);
    const size_t size = real_size(subject->net.kernels->dtype);
    unsigned char *byte = subject->params + (size_t)param.offset * size;

    *byte ^= 1;
    check(first_changed(subject) == index, "parameter %td changes, %td is seen", index,
          first_changed(subject));
    check(packs_otherwise(subject), "parameter %td is not packed", index);
    *byte ^= 1;
    check(!packs_otherwise(subject), "packing again gives other bytes");
}

static void flip_signs(struct subject *subject, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(&subject->net, index);
    const enum dtype dtype = subject->net.kernels->dtype;

    for (ptrdiff_t i = param.offset; i < param.offset + param.rows * param.cols; i++) {
        real_set(dtype, subject->params, i, -real_get(dtype, subject->params, i));
    }
}

/* All values change in the same bit: differences do not cancel each other. */
static void check_signs(struct subject *subject, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(&subject->net, index);
    const ptrdiff_t other = index + (param.kind == BIAS_IH ? 1 : 0); /* and the sums of biases */

    flip_signs(subject, index);
    if (other != index) {
        flip_signs(subject, other);
    }
    check(!is_packed(subject, index), "parameter %td with other signs is not seen", index);
    flip_signs(subject, index);
    if (other != index) {
        flip_signs(subject, other);
    }
}

/* The first, the last, one in the middle and a few others, each with a few of its bits. */
static void check_bits(struct subject *subject, struct random *random)
{
    const int bits = 8 * (int)real_size(subject->net.kernels->dtype);

    check(first_changed(subject) == -1, "parameter %td differs from what was packed",
          first_changed(subject));
    check(subject->finite, "finite weights count as infinite");
    for (ptrdiff_t index = 0; index < rnn_param_count(&subject->net); index++) {
        const struct rnn_param param = rnn_param_at(&subject->net, index);
        const ptrdiff_t count = param.rows * param.cols;
        if (param.ndim == 2) {
            check_alone(subject, index);
        }
        check_signs(subject, index);
        const ptrdiff_t elements[] = {0, count - 1, count / 2, random_below(random, count),
                                      random_below(random, count)};
        for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
            check_bit(subject, index, elements[i], 0);
            check_bit(subject, index, elements[i], bits - 1);
            check_bit(subject, index, elements[i], (int)random_below(random, bits));
        }
    }
}

/* A zero that changes its sign, a NaN with another payload, and what is finite. */
static void check_special(struct subject *subject, struct random *random)
{
    const enum dtype dtype = subject->net.kernels->dtype;
    const size_t size = real_size(dtype);

    for (ptrdiff_t index = 0; index < rnn_param_count(&subject->net); index++) {
        const struct rnn_param param = rnn_param_at(&subject->net, index);
        const ptrdiff_t element = random_below(random, param.rows * param.cols);
        unsigned char *value = subject->params + (size_t)(param.offset + element) * size;
        const double old = real_get(dtype, value, 0);
        const double specials[] = {0.0, INFINITY, NAN};

        if (param.ndim == 1) {
            continue; /* that of a sum is not promised */
        }
        for (int i = 0; i < 3; i++) {
            real_set(dtype, value, 0, specials[i]);
            subject_pack(subject);
            check(subject->finite == (i == 0 || param.kind != WEIGHT_HH),
                  "parameter %td with %f: finite is %d", index, specials[i], subject->finite);
            check(is_packed(subject, index), "%f differs from itself", specials[i]);
            check_bit(subject, index, element, 8 * (int)size - 1);
            check_bit(subject, index, element, 1);
        }
        real_set(dtype, value, 0, old);
        subject_pack(subject);
    }
}

static void check_networks(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t inputs[] = {1, 2, 3, 4, 5, 16, 40, 63};

    static const struct {
        enum cell_kind kind;
        struct cell_variant variant;
    } cases[] = {{CELL_LSTM, {0}},
                 {CELL_LSTM, {.peepholes = true}},
                 {CELL_GRU, {0}},
                 {CELL_GRU, {.reset_before = true}},
                 {CELL_RNN_TANH, {0}}};

    /* Every hidden size, the structures in turn; first the plain LSTM three times. */
    for (int number = 0; number < 70 * 7; number++) {
        struct random random = random_seed((uint64_t)number);
        const int which = number < 70 * 3 ? 0 : number / 70 - 2;
        struct rnn_net net = {.kernels = kernels_for("portable", dtype),
                              .kind = cases[which].kind,
                              .variant = cases[which].variant,
                              .hidden_size = 1 + number % 70,
                              .num_layers = 1 + number % 3 % 2,
                              .num_directions = 1 + (number / 3 & 1),
                              .bias = number % 5 != 0};
        net.input_size = inputs[random_below(&random, 8)];
        if (number / 2 & 1 && cells[net.kind].may_project) {
            net.proj_size = 1 + random_below(&random, net.hidden_size);
        }
        if (number % plan->every != 0) {
            continue;
        }
        for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
            for (enum placement placement = 0; placement < PLACEMENT_COUNT; placement++) {
                struct subject subject = subject_make(&net, level, (uint64_t)number, placement);
                check_bits(&subject, &random);
                check_special(&subject, &random);
            }
        }
    }
}

/* Every number of values; bytes that differ, some in each number and the last. */
static void check_same(enum dtype dtype)
{
    enum { MOST = 300 };
    const size_t size = real_size(dtype);

    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        const struct rnn_kernels *kernels = kernels_for(level, dtype);
        for (ptrdiff_t count = 0; count < MOST; count++) {
            const size_t nbytes = (size_t)count * size;
            case_begin("same %s %s of %td", level, dtype_names[dtype], count);
            unsigned char *a = guarded_place(&slots()[SLOT_PARAMS], nbytes, AT_END, 0);
            /* At the end only where that is aligned as the second operand has to be. */
            unsigned char *b = guarded_place(&slots()[SLOT_OTHER], nbytes,
                                             nbytes % 64 == 0 ? AT_END : AT_START, 0);
            check(kernels->same(a, b, count), "equal bytes differ");
            /* From the last byte down. */
            for (size_t left = nbytes; left > 0;) {
                const size_t step = 1 + (size_t)count % 11, i = left - 1;
                left = left > step ? left - step : 0;
                b[i] = 0x80;
                check(!kernels->same(a, b, count), "a difference at byte %zu is not seen", i);
                a[i] = 0x80;
                check(kernels->same(a, b, count), "equal bytes differ at %zu", i);
                a[i] = b[i] = 0;
            }
        }
    }
}

void check_packing(const struct plan *plan)
{
    for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        check_networks(dtype, plan);
        check_same(dtype);
    }
}
