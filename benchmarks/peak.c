/* Multiply-adds per second of one core, in float32: chains of fused multiply-adds in registers, enough
   of them to hide each other's latency, as wide as the compiler's target allows. Prints one number,
   the best of several turns of a tenth of a second of the process's own time. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12
#define TURNS 12

typedef float vector __attribute__((vector_size(BYTES)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(void) {
    vector a[CHAINS], x, y;
    for (int i = 0; i < (int)(BYTES / sizeof(float)); i++) {
        x[i] = 0.999f;
        y[i] = 0.001f;
    }
    for (int c = 0; c < CHAINS; c++) a[c] = y * (float)c;
    double best = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        long rounds = 0;
        double began = now(), passed;
        do {
            for (int i = 0; i < 100000; i++) {
#pragma GCC unroll 16
                for (int c = 0; c < CHAINS; c++) a[c] = a[c] * x + y;
            }
            rounds += 100000;
            passed = now() - began;
        } while (passed < 0.1);
        double rate = (double)rounds * CHAINS * (BYTES / sizeof(float)) / passed;
        if (rate > best) best = rate;
    }
    float sum = 0;
    for (int c = 0; c < CHAINS; c++) sum += a[c][0];
    fprintf(stderr, "%d bytes a vector, checksum %g\n", BYTES, sum);
    printf("%.6g\n", best);
    return 0;
}
