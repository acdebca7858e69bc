/* Packing of one direction. Parameters, undefined at the end: REAL, NAME(x). */

/* `source` [4*units, depth] to panels of [depth][gate][lane]. Returns whether all is finite. */
static bool NAME(pack_weights)(const struct rnn_kernels *kernels, const REAL *source,
                               ptrdiff_t units, ptrdiff_t depth, REAL *target)
{
    REAL zero = 0; /* stays 0 while every weight is finite: w * 0 */

    for (ptrdiff_t unit = 0; unit < units;) {
        const ptrdiff_t lanes = panel_lanes(kernels, units, unit);
        const ptrdiff_t count = units - unit < lanes ? units - unit : lanes;
        for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++) {
            for (ptrdiff_t lane = 0; lane < count; lane++) {
                const REAL *row = source + (gate * units + unit + lane) * depth;
                REAL *column = target + gate * lanes + lane;
                for (ptrdiff_t k = 0; k < depth; k++) {
                    column[k * PANEL_VECTORS * lanes] = row[k];
                    zero += row[k] * 0;
                }
            }
        }
        target += PANEL_VECTORS * lanes * depth;
        unit += lanes;
    }
    return zero == 0;
}

/* `source` [columns, depth] to the same layout, columns simply counted through. */
static void NAME(pack_projection)(const struct rnn_kernels *kernels, const REAL *source,
                                  ptrdiff_t columns, ptrdiff_t depth, REAL *target)
{
    const ptrdiff_t units = (columns + 3) / PANEL_VECTORS;

    for (ptrdiff_t unit = 0; unit < units;) {
        const ptrdiff_t width = PANEL_VECTORS * panel_lanes(kernels, units, unit);
        for (ptrdiff_t j = 0; j < width && PANEL_VECTORS * unit + j < columns; j++)
            for (ptrdiff_t k = 0; k < depth; k++)
                target[k * width + j] = source[(PANEL_VECTORS * unit + j) * depth + k];
        target += width * depth;
        unit += width / PANEL_VECTORS;
    }
}

/* b_ih + b_hh: the one addition in which both biases are used. */
static void NAME(pack_bias)(const struct rnn_kernels *kernels, const REAL *b_ih, const REAL *b_hh,
                            ptrdiff_t units, REAL *target)
{
    for (ptrdiff_t unit = 0; unit < units;) {
        const ptrdiff_t lanes = panel_lanes(kernels, units, unit);
        for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++)
            for (ptrdiff_t lane = 0; lane < lanes && unit + lane < units; lane++) {
                const ptrdiff_t row = gate * units + unit + lane;
                target[gate * lanes + lane] = b_ih[row] + b_hh[row];
            }
        target += PANEL_VECTORS * lanes;
        unit += lanes;
    }
}

/* Packs direction `index`. Returns whether weight_hh is finite. */
static bool NAME(pack_direction)(const struct rnn_net *net, ptrdiff_t index, const REAL *params,
                                 REAL *packed)
{
    const struct rnn_kernels *kernels = net->kernels;
    const ptrdiff_t units = net->hidden_size;
    const ptrdiff_t group = rnn_param_count(net) / (net->num_layers * net->num_directions);
    const struct direction_layout at = direction_layout(net, index / net->num_directions);
    /* By kind; what the network does not have is not read. */
    const REAL *source[] = {params, params, params, params, params};
    bool finite;

    for (ptrdiff_t i = 0; i < group; i++) {
        const struct rnn_param param = rnn_param_at(net, index * group + i);
        source[param.kind] = params + param.offset;
    }
    packed += direction_offset(net, index);
    NAME(pack_weights)(kernels, source[WEIGHT_IH], units, at.input_size, packed + at.weight_ih);
    finite = NAME(pack_weights)(kernels, source[WEIGHT_HH], units, rnn_hidden_out(net),
                                packed + at.weight_hh);
    if (net->bias)
        NAME(pack_bias)(kernels, source[BIAS_IH], source[BIAS_HH], units, packed + at.bias);
    if (net->proj_size)
        NAME(pack_projection)(kernels, source[WEIGHT_HR], net->proj_size, units,
                              packed + at.weight_hr);
    return finite;
}

#undef REAL
#undef NAME
