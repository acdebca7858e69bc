/* Kernel test program: csrc/core and csrc/simd in a C program without Python.
 *
 *   test_kernels [--quick | --memory] [--storages] [--hashes FILE] [--record]
 *   test_kernels --bench | --bench-check
 *
 * Without arguments every case of every level; --quick runs each 11th, for emulators; --memory
 * each 101st with ordinary values, for valgrind, whose own FMA errs where a result underflows.
 * --storages runs the cases of compressed weights alone.
 * --record rewrites FILE (hashes.txt) from the portable level: only with a change that the
 * changelog announces, since these are the bits that users may rely on. */
#include "cases.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

const char *const *levels(void)
{
    static const char *names[8];
    if (!names[0]) {
        int count = 0;
        for (int i = 0; kernels_level_name(i) && count < 7; i++) {
            if (kernels_level_available(i)) {
                names[count++] = kernels_level_name(i);
            }
        }
    }
    return names;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--quick | --memory] [--storages] [--hashes FILE] [--record] | --bench | "
            "--bench-check\n",
            program);
    return 2;
}

/* Prints what runs compressed weights here, and what the processor lacks for the others. */
static void print_flavours(void)
{
    static const char *const needs[][2] = {{"neon-dotprod", "dot products (FEAT_DotProd)"},
                                           {"avx2", "AVX2, FMA and F16C"},
                                           {"avx2-vnni", "AVX-VNNI"},
                                           {"avx512-vnni", "AVX-512 VNNI"}};

    printf("flavours:");
    for (int i = 0; kernels_flavour_name(i); i++) {
        if (kernels_flavour_available(i)) {
            printf(" %s", kernels_flavour_name(i));
        }
    }
    printf("\n");
    for (int i = 0; kernels_flavour_name(i); i++) {
        for (int j = 0; j < 4 && !kernels_flavour_available(i); j++) {
            if (strcmp(needs[j][0], kernels_flavour_name(i)) == 0) {
                printf("SKIPPED flavour %s: this processor has no %s\n", needs[j][0], needs[j][1]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    const char *hashes = "hashes.txt";
    bool record = false, bench = false, wide = false, storages = false;
    struct plan plan = {.every = 1};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            plan.every = 11;
        } else if (strcmp(argv[i], "--memory") == 0) {
            plan.every = 101;
            plan.ordinary = true;
            zeros_have_signs = false;
        } else if (strcmp(argv[i], "--storages") == 0) {
            storages = true;
        } else if (strcmp(argv[i], "--record") == 0) {
            record = true;
        } else if (strcmp(argv[i], "--hashes") == 0 && i + 1 < argc) {
            hashes = argv[++i];
        } else if (strcmp(argv[i], "--bench") == 0) {
            bench = true;
        } else if (strcmp(argv[i], "--bench-check") == 0) {
            bench = wide = true;
        } else {
            return usage(argv[0]);
        }
    }
    report_crashes();
    printf("levels:");
    for (const char *const *level = levels(); *level; level++) {
        printf(" %s", *level);
    }
    printf("\n");
    print_flavours();
    if (bench && !wide) {
        bench_print();
        return 0;
    }
    if (bench) {
        bench_check();
    } else if (storages) {
        check_storages(&plan);
    } else {
        /* valgrind's fused multiply-add of doubles loses the sign of a sum that is -0, in which
         * recorded bits differ (3.19); the other runs compare them. */
        if (!plan.ordinary)
            check_hashes(hashes, record);
        check_core(&plan);
        check_storages(&plan);
        check_packing(&plan);
        check_kernels(&plan);
    }
    return check_summary("test_kernels");
}
