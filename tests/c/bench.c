/* Speed of the step kernel beside the roofs of the same level, in the same process.
 *
 * A call is one step of a sequence: batch 8 does the input gates and the recurrent part, batch 1
 * only the recurrent part, whose weights must stream from the caches once per step (the input
 * gates are precomputed for several steps). Whole machines change speed from minute to minute: only
 * ratios inside one run mean something. */
#include "../../csrc/core/cells.h"
#include "../../csrc/threads/os.h"

#include "cases.h"
#include "loops.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 7, MOST_ROWS = 8 };
static const double run_seconds = 0.004; /* of one timed run: long beside the clock, short
                                            beside a scheduler's slice */

static double now(void) { return 1e-9 * (double)os_nanoseconds(); }

/* One thing to time; "run" does it `count` times. */
struct job {
    void (*run)(const struct job *job, long count);
    const struct loops *loops;
    const struct rnn_kernels *kernels;
    enum cell_kind kind;
    struct rnn_step step;
    size_t weight_bytes; /* of the recurrent weights */
    void *memory;
    long count;     /* runs that take about run_seconds */
    double seconds; /* the best time of one */
};

static void run_fma(const struct job *job, long count) { job->loops->fma(count); }

static void run_load(const struct job *job, long count)
{
    for (long i = 0; i < count; i++) {
        job->loops->load(job->step.wh, job->weight_bytes);
    }
}

/* Steps of a sequence: h goes to and fro, panels of units are walked to and fro. */
static void run_step(const struct job *job, long count)
{
    struct rnn_step step = job->step;
    for (long i = 0; i < count; i++) {
        void *old = (void *)(uintptr_t)step.h;
        job->kernels->step[job->kind](&step);
        step.h = step.h_out;
        step.h_out = old;
        step.descending = !step.descending;
    }
}

static void calibrate(struct job *job)
{
    job->seconds = 1e9;
    for (job->count = 1;; job->count *= 2) {
        double begin = now();
        job->run(job, job->count);
        if (now() - begin > run_seconds / 2) {
            return;
        }
    }
}

/* Takes turns, so that all meet the same weather, and keeps each job's best time. */
static void time_jobs(struct job *jobs, int count)
{
    for (int i = 0; i < count; i++) {
        calibrate(&jobs[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            double begin = now();
            jobs[i].run(&jobs[i], jobs[i].count);
            double seconds = (now() - begin) / (double)jobs[i].count;
            jobs[i].seconds = seconds < jobs[i].seconds ? seconds : jobs[i].seconds;
        }
    }
}

static void *take(unsigned char **next, size_t bytes)
{
    void *taken = *next;
    *next += (bytes + 63) / 64 * 64;
    return taken;
}

static void fill(enum dtype dtype, void *array, size_t bytes, double scale)
{
    struct random random = random_seed(5);
    for (size_t i = 0; i < bytes / real_size(dtype); i++) {
        real_set(dtype, array, (ptrdiff_t)i, scale * random_value(&random, dtype, VALUES_ORDINARY));
    }
}

/* A step of `hidden` units with as many inputs. Any values serve as packed weights. */
static struct job step_job(const struct rnn_kernels *kernels, enum cell_kind kind, ptrdiff_t rows,
                           ptrdiff_t hidden)
{
    const ptrdiff_t gates = cells[kind].gates * kernels_padded_units(kernels, hidden);
    const size_t weights = (size_t)(gates * hidden) * kernels->itemsize;
    const size_t state = (size_t)(MOST_ROWS * hidden) * kernels->itemsize;
    struct job job = {.run = run_step, .kernels = kernels, .kind = kind, .weight_bytes = weights};

    job.memory =
        must_allocate(1, 2 * weights + 2 * (size_t)gates * kernels->itemsize + 4 * state + 1024);
    unsigned char *next = job.memory;
    next += 64 - (uintptr_t)next % 64;
    void *wx = take(&next, weights), *wh = take(&next, weights);
    void *init = take(&next, (size_t)gates * kernels->itemsize);
    void *bias_h = take(&next, (size_t)gates * kernels->itemsize);
    void *x = take(&next, state), *h = take(&next, state);
    fill(kernels->dtype, wx, weights, 0.1);
    fill(kernels->dtype, wh, weights, 0.1);
    fill(kernels->dtype, x, state, 1.0);
    job.step = (struct rnn_step){
        .rows = rows,
        .hidden = hidden,
        .end = hidden,
        .init = init,
        .depth_x = hidden,
        .x = x,
        .x_stride = hidden,
        .wx = rows > 1 ? wx : NULL,
        .bias_h = bias_h,
        .wh = wh,
        .depth_h = hidden,
        .h = h,
        .h_stride = hidden,
        .c_stride = hidden,
        .c_out_stride = hidden,
        .h_out_stride = hidden,
    };
    job.step.h_out = take(&next, state);
    job.step.c_out = take(&next, state);
    job.step.c = job.step.c_out;
    return job;
}

static struct job roof_job(const struct job *step, const struct loops *loops, bool load)
{
    struct job job = *step;
    job.loops = loops;
    job.run = load ? run_load : run_fma;
    job.memory = NULL;
    return job;
}

/* What one shape at one level reached. */
struct speed {
    double gflops, fma_gflops;  /* of the kernel, of the multiply-add loop */
    double gbytes, load_gbytes; /* weights read by the kernel, by the load loop */
    double microseconds;        /* of one step */
};

static struct speed measure(const char *level, enum dtype dtype, enum cell_kind kind,
                            ptrdiff_t rows, ptrdiff_t hidden)
{
    const struct rnn_kernels *kernels = kernels_for(level, dtype);
    const struct loops *loops = loops_for(level, dtype);
    struct job jobs[3];
    struct speed speed;

    jobs[0] = step_job(kernels, kind, rows, hidden);
    jobs[1] = roof_job(&jobs[0], loops, false);
    jobs[2] = roof_job(&jobs[0], loops, true);
    time_jobs(jobs, 3);
    const double products =
        (double)(cells[kind].gates * hidden * rows * hidden * (rows > 1 ? 2 : 1));
    speed.microseconds = 1e6 * jobs[0].seconds;
    speed.gflops = 2e-9 * products / jobs[0].seconds;
    speed.fma_gflops = 2e-9 * loops->fma(1) / jobs[1].seconds;
    speed.gbytes = 1e-9 * (double)jobs[0].weight_bytes / jobs[0].seconds;
    speed.load_gbytes = 1e-9 * (double)jobs[0].weight_bytes / jobs[2].seconds;
    free(jobs[0].memory);
    return speed;
}

/* Prints a row of the table; "lstm" is the microseconds of an LSTM's step of the same size. */
static void print_speed(const char *level, enum dtype dtype, enum cell_kind kind, ptrdiff_t rows,
                        ptrdiff_t hidden, double *lstm)
{
    const struct speed speed = measure(level, dtype, kind, rows, hidden);

    if (kind == CELL_LSTM) {
        *lstm = speed.microseconds;
    }
    printf("%-9s %-8s %-9s %5td %6td %10.2f %8.2f %9.1f %6.2f of %4.0f", level, dtype_names[dtype],
           cells[kind].mode, rows, hidden, speed.microseconds, speed.microseconds / *lstm,
           speed.gflops, speed.gflops / speed.fma_gflops, speed.fma_gflops);
    if (rows == 1) {
        printf(" %4.2f of %3.0f GB/s", speed.gbytes / speed.load_gbytes, speed.load_gbytes);
    }
    printf("\n");
}

void bench_print(void)
{
    static const ptrdiff_t batches[] = {1, 8};
    double lstm = 0;

    printf("%-9s %-8s %-9s %5s %6s %10s %8s %9s %12s %14s\n", "level", "dtype", "kind", "batch",
           "hidden", "us/step", "of LSTM", "GFLOP/s", "of FMA loop", "of load loop");
    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            for (int i = 0; i < 2 && loops_for(level, dtype); i++) {
                for (ptrdiff_t hidden = 64; hidden <= 512; hidden *= 2) {
                    for (enum cell_kind kind = 0; kind < CELL_KINDS; kind++) {
                        print_speed(level, dtype, kind, batches[i], hidden, &lstm);
                    }
                }
            }
        }
    }
}

/* Far below what the kernels reach on a quiet machine, far above what a spilled tile, a lost
 * inlining or a scalar fallback would leave. */
void bench_check(void)
{
    static const double least_of_fma_loop = 0.35, least_of_load_loop = 0.30;
    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            if (strcmp(level, "portable") == 0 || !loops_for(level, dtype)) {
                continue; /* no promise about speed */
            }
            case_begin("bench %s %s", level, dtype_names[dtype]);
            /* A neighbour on the core can only slow things down: the best of a few attempts. */
            double of_fma = 0, of_load = 0, gain = 0;
            for (int attempt = 0; attempt < 5; attempt++) {
                struct speed one = measure(level, dtype, CELL_LSTM, 1, 256);
                struct speed eight = measure(level, dtype, CELL_LSTM, 8, 256);
                of_fma = fmax(of_fma, eight.gflops / eight.fma_gflops);
                of_load = fmax(of_load, one.gbytes / one.load_gbytes);
                /* batch 8 also does the input gates: as many products again */
                gain = fmax(gain, 8 * 2 * one.microseconds / eight.microseconds);
                if (of_fma >= least_of_fma_loop && of_load >= least_of_load_loop && gain >= 1.0)
                    break;
            }
            printf("%-9s %-8s batch 8 of FMA loop %.2f, batch 1 of load loop %.2f, batch 8 against "
                   "8 x batch 1 %.2f\n",
                   level, dtype_names[dtype], of_fma, of_load, gain);
            check(of_fma >= least_of_fma_loop, "%.2f of the FMA loop", of_fma);
            check(of_load >= least_of_load_loop, "%.2f of the load loop", of_load);
            check(gain >= 1.0, "8 rows at once take %.2f of 8 rows one by one", 1.0 / gain);
        }
    }
}
