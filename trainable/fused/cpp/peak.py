"""The peak of a core: how many multiply-adds it does in a second, with which kernels are compared.

Chains of fused multiply-adds run in registers, as wide as the processor's vectors, so many of them
that each has its operands when its turn comes.
"""

from __future__ import annotations

import ctypes

import torch

from shoal.trainable.compiling import Run
from shoal.trainable.fused.cpp.compiled import Compiled

CHAINS = 12
"""Enough to hide the time of an instruction, and few enough for the 16 registers of AVX2."""

TURNS, TURN_SECONDS = 12, 0.03
"""The best of some turns counts: others may want the core meanwhile."""

TYPES = {torch.float32: "float", torch.float64: "double"}

SOURCE = """\
#include <time.h>
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef {type} number;
typedef number vector __attribute__((vector_size(BYTES)));

static double now() {{
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}}

extern "C" double run() {{
    const int numbers = BYTES / sizeof(number);
    vector chain[{chains}], x, y;
    for (int i = 0; i < numbers; i++) x[i] = number(0.999), y[i] = number(0.001);
    for (int c = 0; c < {chains}; c++) chain[c] = y * number(c);
    double best = 0, passed;
    for (int turn = 0; turn < {turns}; turn++) {{
        double done = 0, began = now();
        do {{
            for (int i = 0; i < 10000; i++) {{
#pragma GCC unroll {chains}
                for (int c = 0; c < {chains}; c++) chain[c] = chain[c] * x + y;
            }}
            done += 10000.0 * {chains} * numbers;
            passed = now() - began;
        }} while (passed < {seconds});
        best = done / passed > best ? done / passed : best;
    }}
    number sum = 0;
    for (int c = 0; c < {chains}; c++) sum += chain[c][0];
    return sum == sum ? best : 0;
}}
"""


class Peak(Compiled):
    """Measures it, for numbers of one type."""

    seconds = 60.0

    def __init__(self, dtype: torch.dtype) -> None:
        """Write its source.

        Args:
            dtype: float32 or float64.
        """
        text = SOURCE.format(type=TYPES[dtype], chains=CHAINS, turns=TURNS, seconds=TURN_SECONDS)
        super().__init__(text)
        self.flags = (*self.flags, "-ffp-contract=fast")

    def load(self, file: str) -> Run:
        """Return the function that measures it: of no arguments, one number."""
        run = ctypes.CDLL(file).run
        run.restype = ctypes.c_double
        return lambda arguments: [torch.tensor(run(), dtype=torch.float64)]
