"""What the peers of benchmarks/nets.py fit: a net on digits, 64-k-10, in torch by hand; and their
arguments.

Rows, batches and initial parameters are given in a file (benchmarks/nets.py writes it), so that
each peer has the same: those of a fit of shoal with seed 0. A step is the fastest that we know of
eager torch: products with their sums in one call, the gradient by hand, parameters moved in place
and all at once.

    x, y    shapes (1085, 64), (1085,)   rows to train; u, v: rows to validate
    orders  shape (20, 1085)             the rows of each epoch, taken 128 at a time
    w1, b1, w2, b2                       of each width, as ``8/w1``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

BATCH, CLASSES = 128, 10

WIDTHS = [8, 16, 32]
SPACE: Mapping[str, tuple[float, float, bool]] = {
    "lr": (1e-2, 1.0, True),
    "momentum": (0.0, 0.95, False),
    "weight_decay": (1e-6, 1e-2, True),
}
"""Low, high, logarithmic; `WIDTHS` are choices."""

Values = Mapping[str, Any]
Given = dict[str, Any]


class Torch:
    """Fits one after the other, on one thread."""

    def __init__(self, given: Given) -> None:
        import torch

        torch.set_num_threads(1)
        x, y = torch.from_numpy(given["x"]), torch.from_numpy(given["y"])
        t = torch.nn.functional.one_hot(y, CLASSES).float()
        batches = [
            which for order in torch.from_numpy(given["orders"]) for which in order.split(BATCH)
        ]
        self._batches = [(x[which], t[which] / len(which), 1 / len(which)) for which in batches]
        self._validation = torch.from_numpy(given["u"]), torch.from_numpy(given["v"])
        self._initial = {
            width: [torch.from_numpy(given[f"{width}/{name}"]) for name in ("w1", "b1", "w2", "b2")]
            for width in WIDTHS
        }

    def accuracy(self, values: Values) -> float:
        """Fit once; return the accuracy of the validation rows."""
        import torch

        lr, momentum, decay = (float(values[n]) for n in ("lr", "momentum", "weight_decay"))
        with torch.inference_mode():
            params = [tensor.clone() for tensor in self._initial[int(values["width"])]]
            velocity = [torch.zeros_like(tensor) for tensor in params]
            w1, b1, w2, b2 = params
            for x, t, share in self._batches:
                a = torch.addmm(b1, x, w1.T).tanh_()
                gz = torch.softmax(torch.addmm(b2, a, w2.T), 1).mul_(share).sub_(t)
                gu = torch.ops.aten.tanh_backward(gz @ w2, a)
                torch._foreach_mul_(velocity, momentum)
                torch._foreach_add_(velocity, params, alpha=decay)
                torch._foreach_add_(velocity, [gu.T @ x, gu.sum(0), gz.T @ a, gz.sum(0)])
                torch._foreach_add_(params, velocity, alpha=-lr)
            u, v = self._validation
            z = torch.addmm(b2, torch.addmm(b1, u, w1.T).tanh_(), w2.T)
            return float((z.argmax(1) == v).float().mean())


def read(file: Path) -> Given:
    """Rows, batches and initial parameters."""
    with numpy.load(file) as held:
        return {name: held[name] for name in held.files}


def drawn(trials: int, seed: int) -> list[dict[str, Any]]:
    """Random points of the space."""
    generator = numpy.random.default_rng(seed)
    points = []
    for _ in range(trials):
        point: dict[str, Any] = {"width": int(generator.choice(WIDTHS))}
        for name, (low, high, log) in SPACE.items():
            u = generator.random()
            point[name] = float(low * (high / low) ** u if log else low + (high - low) * u)
        points.append(point)
    return points


def arguments(about: str | None) -> argparse.Namespace:
    """The arguments that all these peers take."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--given", type=Path, required=True, help="rows, batches and the rest")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=Path, help="JSON: fit these and do not search")
    return parser.parse_args()


def told(given: argparse.Namespace, of_points: Callable[[Sequence[Values]], list[float]]) -> bool:
    """Where points are given, fit them and print their accuracies."""
    if given.points is None:
        return False
    points = json.loads(given.points.read_text(encoding="utf-8"))
    print(json.dumps({"accuracies": of_points(points)}), flush=True)
    return True


def tell(trials: int, best: float) -> None:
    """Print what came of a search: trials that ended, and the best accuracy."""
    print(json.dumps({"trials": trials, "best": best}), flush=True)


def main() -> None:
    """Fit `--trials` times and print the seconds of each: no search at all."""
    given = arguments(__doc__)
    fits = Torch(read(given.given))
    if told(given, lambda points: [fits.accuracy(point) for point in points]):
        return
    seconds, best = [], 0.0
    for point in drawn(given.trials, given.seed):
        began = time.perf_counter()
        best = max(best, fits.accuracy(point))
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"trials": given.trials, "best": best, "seconds": sorted(seconds)}))


if __name__ == "__main__":
    main()
