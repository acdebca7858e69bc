/* The elementwise updates of variants, which struct cell_variant describes. Included by
 * kernels_template.h, behind block_step_template.h, for the instance that serves whole panels; needs
 * its parameters. Defines NAME(lstm_variant_update), NAME(gru_variant_update), and NAME(reset_update)
 * and NAME(new_update) of a GRU that resets before the product.
 *
 * An update takes ABREAST vectors of units at once, the last ones filled up with zeros, and calls
 * each activation out of line: one loop serves all activations, and one instance of an activation
 * all of its callers.
 */
#define ABREAST (LANES > 1 ? 4 : 1)

/* x to fma(scale, x, 1/2), bounded by 0 and 1 */
INLINE TARGET void NAME(hard_sigmoid)(vec_t *x, REAL scale)
{
    UNROLL
    for (int j = 0; j < ABREAST; j++) {
        x[j] = V_FMA(V_SET(scale), x[j], V_SET((REAL)0.5));
        x[j] = V_ZERO_BELOW(x[j], V_SET((REAL)0), x[j]);
        x[j] = V_MIN(V_SET((REAL)1), x[j]); /* a NaN in the second operand stays */
    }
}

static NOINLINE TARGET CHAINED void NAME(activate_gate)(enum gate_activation activation, vec_t *x)
{
    if (activation == GATE_SIGMOID)
        NAME(sigmoid)(x, ABREAST);
    else if (activation == GATE_HARD_SIGMOID)
        NAME(hard_sigmoid)(x, (REAL)0.2);
    else
        NAME(hard_sigmoid)(x, (REAL)1 / (REAL)6);
}

static NOINLINE TARGET CHAINED void NAME(activate)(enum activation activation, vec_t *x)
{
    if (activation == ACTIVATION_TANH)
        NAME(tanh)(x, ABREAST);
    for (int j = 0; j < ABREAST; j++) {
        if (activation == ACTIVATION_RELU)
            x[j] = V_ZERO_BELOW(x[j], V_SET((REAL)0), x[j]);
        if (activation == ACTIVATION_SOFTSIGN)
            x[j] = V_DIV(x[j], V_ADD(V_SET((REAL)1), V_ABS(x[j])));
    }
}

/* Vectors of a matrix of states with rows `stride` apart; NULL: zeros. */
static NOINLINE TARGET void NAME(load_states)(const void *states, ptrdiff_t stride, ptrdiff_t count,
                                              const struct NAME(vector) *at, vec_t *v)
{
    for (ptrdiff_t j = 0; j < ABREAST; j++)
        v[j] = states && j < count
                   ? NAME(load)((const REAL *)states + at[j].row * stride + at[j].unit, at[j].width)
                   : V_SET((REAL)0);
}

static NOINLINE TARGET void NAME(store_states)(void *states, ptrdiff_t stride, ptrdiff_t count,
                                               const struct NAME(vector) *at, const vec_t *v)
{
    for (ptrdiff_t j = 0; j < count; j++)
        NAME(store)((REAL *)states + at[j].row * stride + at[j].unit, v[j], at[j].width);
}

/* Vectors of a gate to its trace. */
static NOINLINE TARGET void NAME(trace_vectors)(const struct rnn_step *step, ptrdiff_t gate,
                                                ptrdiff_t count, const struct NAME(vector) *at,
                                                const vec_t *v)
{
    if (step->trace && step->trace->gates[gate])
        NAME(store_states)(step->trace->gates[gate], step->trace->stride, count, at, v);
}

/* Totals of one gate. */
static NOINLINE TARGET void NAME(load_gate)(const struct NAME(block) *block, ptrdiff_t gate,
                                            ptrdiff_t count, const struct NAME(vector) *at,
                                            vec_t *v)
{
    for (ptrdiff_t j = 0; j < ABREAST; j++)
        v[j] = j < count ? NAME(load)(at[j].totals + gate * block->segment, at[j].width)
                         : V_SET((REAL)0);
}

/* total += p c, of the peephole with this index */
INLINE TARGET void NAME(add_peephole)(const struct rnn_step *step, ptrdiff_t index, ptrdiff_t count,
                                      const struct NAME(vector) *at, const vec_t *c, vec_t *total)
{
    const REAL *p = (const REAL *)step->peepholes + index * step->peephole_stride;

    for (ptrdiff_t j = 0; step->peepholes && j < count; j++)
        total[j] = V_FMA(NAME(load)(p + at[j].unit, at[j].width), c[j], total[j]);
}

/* One of the gates i, f and o, its peephole included. */
static NOINLINE TARGET void NAME(lstm_gate)(const struct NAME(block) *block, ptrdiff_t gate,
                                            ptrdiff_t count, const struct NAME(vector) *at,
                                            const vec_t *c, vec_t *v)
{
    const struct rnn_step *step = block->step;

    NAME(load_gate)(block, gate, count, at, v);
    NAME(add_peephole)(step, gate < 2 ? gate : 2, count, at, c, v);
    NAME(activate_gate)(step->variant->gate_activation, v);
    NAME(trace_vectors)(step, gate, count, at, v);
}

/* c' = f c + i g, bounded;  h' = o act(c') */
static NOINLINE TARGET void NAME(lstm_variant_vectors)(const struct NAME(block) *block,
                                                       ptrdiff_t count,
                                                       const struct NAME(vector) *at)
{
    const struct rnn_step *step = block->step;
    const REAL clip = (REAL)step->variant->cell_clip;
    vec_t i[ABREAST], f[ABREAST], g[ABREAST], c[ABREAST];

    NAME(load_states)(step->c, step->c_stride, count, at, c);
    NAME(lstm_gate)(block, 0, count, at, c, i);
    NAME(lstm_gate)(block, 1, count, at, c, f);
    NAME(load_gate)(block, 2, count, at, g);
    NAME(activate)(step->variant->activation, g);
    NAME(trace_vectors)(step, 2, count, at, g);
    for (int j = 0; j < ABREAST; j++) {
        c[j] = V_FMA(f[j], c[j], V_MUL(i[j], g[j]));
        if (step->variant->cell_clip > 0) /* a NaN in the second operand stays */
            c[j] = V_MIN(V_SET(clip), V_MAX(V_SET(-clip), c[j]));
    }
    NAME(store_states)(step->c_out, step->c_out_stride, count, at, c);
    NAME(lstm_gate)(block, 3, count, at, c, i);
    NAME(activate)(step->variant->activation, c);
    for (int j = 0; j < ABREAST; j++)
        c[j] = V_MUL(i[j], c[j]);
    NAME(store_states)(step->h_out, step->h_out_stride, count, at, c);
}

/* n = act(n);  h' = z h + (1 - z) n, as fma(z, h, fma(-z, n, n)) */
static NOINLINE TARGET void NAME(store_mixed)(const struct rnn_step *step, const void *states,
                                              ptrdiff_t stride, ptrdiff_t count,
                                              const struct NAME(vector) *at, const vec_t *z,
                                              vec_t *n)
{
    vec_t h[ABREAST];

    NAME(load_states)(states, stride, count, at, h);
    NAME(activate)(step->variant->activation, n);
    NAME(trace_vectors)(step, 2, count, at, n);
    for (int j = 0; j < ABREAST; j++)
        n[j] = V_FMA(z[j], h[j], V_FNMA(z[j], n[j], n[j]));
    NAME(store_states)(step->h_out, step->h_out_stride, count, at, n);
}

/* n = act(r q + p) */
static NOINLINE TARGET void NAME(gru_variant_vectors)(const struct NAME(block) *block,
                                                      ptrdiff_t count,
                                                      const struct NAME(vector) *at)
{
    const struct rnn_step *step = block->step;
    vec_t r[ABREAST], z[ABREAST], n[ABREAST];

    NAME(load_gate)(block, 0, count, at, r);
    NAME(activate_gate)(step->variant->gate_activation, r);
    NAME(trace_vectors)(step, 0, count, at, r);
    NAME(load_gate)(block, 1, count, at, z);
    NAME(activate_gate)(step->variant->gate_activation, z);
    NAME(trace_vectors)(step, 1, count, at, z);
    NAME(load_gate)(block, 2, count, at, n);
    for (ptrdiff_t j = 0; j < count; j++)
        n[j] = V_FMA(r[j], n[j], V_LOAD(at[j].aside));
    NAME(store_mixed)(step, step->h, step->h_stride, count, at, z, n);
}

/* z to h_out, and r h to reset_h */
static NOINLINE TARGET void NAME(reset_vectors)(const struct NAME(block) *block, ptrdiff_t count,
                                                const struct NAME(vector) *at)
{
    const struct rnn_step *step = block->step;
    vec_t r[ABREAST], h[ABREAST];

    NAME(load_gate)(block, 1, count, at, r);
    NAME(activate_gate)(step->variant->gate_activation, r);
    NAME(store_states)(step->h_out, step->h_out_stride, count, at, r);
    NAME(trace_vectors)(step, 1, count, at, r);
    NAME(load_gate)(block, 0, count, at, r);
    NAME(activate_gate)(step->variant->gate_activation, r);
    NAME(trace_vectors)(step, 0, count, at, r);
    NAME(load_states)(step->h, step->h_stride, count, at, h);
    for (int j = 0; j < ABREAST; j++)
        r[j] = V_MUL(r[j], h[j]);
    NAME(store_states)(step->reset_h, step->hidden, count, at, r);
}

/* n from its total, z from h_out; h is where c of an LSTM is */
static NOINLINE TARGET void NAME(new_vectors)(const struct NAME(block) *block, ptrdiff_t count,
                                              const struct NAME(vector) *at)
{
    const struct rnn_step *step = block->step;
    vec_t z[ABREAST], n[ABREAST];

    NAME(load_gate)(block, 0, count, at, n);
    NAME(load_states)(step->h_out, step->h_out_stride, count, at, z);
    NAME(store_mixed)(step, step->c, step->c_stride, count, at, z, n);
}

static NOINLINE TARGET void NAME(update_abreast)(const struct NAME(block) *block,
                                                 void (*const update)(const struct NAME(block) *,
                                                                      ptrdiff_t,
                                                                      const struct NAME(vector) *))
{
    struct NAME(vector) at[ABREAST];
    ptrdiff_t row = 0, unit = 0;

    for (ptrdiff_t left = NAME(count_vectors)(block), count; left > 0; left -= count) {
        count = left < ABREAST ? left : ABREAST;
        for (ptrdiff_t j = 0; j < count; j++)
            NAME(next_vectors)(1, block, &row, &unit, at + j);
        update(block, count, at);
    }
}

static TARGET void NAME(lstm_variant_update)(const struct NAME(block) *block)
{
    NAME(update_abreast)(block, NAME(lstm_variant_vectors));
}

static TARGET void NAME(gru_variant_update)(const struct NAME(block) *block)
{
    NAME(update_abreast)(block, NAME(gru_variant_vectors));
}

static TARGET void NAME(reset_update)(const struct NAME(block) *block)
{
    NAME(update_abreast)(block, NAME(reset_vectors));
}

static TARGET void NAME(new_update)(const struct NAME(block) *block)
{
    NAME(update_abreast)(block, NAME(new_vectors));
}

#undef ABREAST
