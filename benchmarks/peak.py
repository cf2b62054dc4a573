"""The float32 multiply-add peak of one core, measured, and what one update of a lane must do.

    python benchmarks/peak.py --workers 2

prints JSON: multiply-adds per second of one core alone, and of each while all workers are busy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

POINTS = 2000

MULTIPLY_ADDS = 6
ADDITIONS = 2
"""Operations that one update of one lane needs at each point, with the powers of x at hand:

    r = a + b x + c x² + d x³ - y       3 multiply-adds, 1 subtraction
    Σ r,  Σ r x,  Σ r x²,  Σ r x³       1 addition, 3 multiply-adds

The factors 2 and lr come after the sums. The loss, Σ r², is needed at reporting steps alone, so
it is not counted. A core does no more multiply-adds than its peak; additions may find units of
their own, so two shares are told: multiply-adds alone over the peak, a lower bound of how busy the
core is, and all operations over the peak, as if each took a multiply-add's place.
"""

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast")


class NoCompiler(Exception):
    """No C compiler, or it failed; the message says which."""


def build(folder: str) -> str:
    """Compile; return the program.

    Raises:
        NoCompiler: there is none, or it failed.
    """
    program = f"{folder}/peak"
    source = str(Path(__file__).with_suffix(".c"))
    try:
        subprocess.run(
            ["cc", *FLAGS, "-o", program, source], check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise NoCompiler("there is no cc") from None
    except subprocess.CalledProcessError as error:
        raise NoCompiler(error.stderr.strip().splitlines()[-1]) from None
    return program


def measure(program: str, at_once: int) -> float:
    """Multiply-adds per second of a core, the mean over as many at once."""
    running = [
        subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(at_once)
    ]
    return statistics.mean(float(process.communicate()[0]) for process in running)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = build(folder)
        except NoCompiler as error:
            raise SystemExit(f"peak: {error}") from None
        told = {
            "alone": measure(program, 1),
            "each": measure(program, given.workers),
            "multiply_adds": MULTIPLY_ADDS * POINTS,
            "operations": (MULTIPLY_ADDS + ADDITIONS) * POINTS,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
