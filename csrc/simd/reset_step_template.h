/* The step of a GRU that resets before the product. Included by kernels_template.h and
 * storage_template.h, behind block_step_template.h and the updates of variants; needs their parameters.
 * Defines NAME(reset_before_step).
 */
/* r and z of all units, since each unit's n needs all of r h; then n, with r h in place of h. */
static NOINLINE TARGET void NAME(reset_before_step)(const struct NAME(sums) *sums,
                                                    const struct rnn_step *step)
{
    struct rnn_step second = *step;

    NAME(block_step)(sums, step, 2, BASE(reset_update));
    second.init = (const REAL *)step->init + step->piece;
    if (step->wx)
        second.wx = (const REAL *)step->wx + step->piece * PACKED_DEPTH(sums, step->depth_x);
    second.wh = (const REAL *)step->wh + step->piece * PACKED_DEPTH(sums, step->depth_h);
    second.c = step->h;
    second.c_stride = step->h_stride;
    second.h = step->reset_h;
    second.h_stride = step->hidden;
    PREPARE_H(sums, &second);
    NAME(block_step)(sums, &second, 1, BASE(new_update));
}
