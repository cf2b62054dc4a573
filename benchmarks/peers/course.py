"""What all peers fit: the course's loop, in plain tensors on one thread; and their arguments.

    python benchmarks/peers/course.py --trials 20 --form matrix

fits one learning rate so many times and prints the seconds of each: no search at all.

Two forms of the same arithmetic, float32, the residual over all 2,000 points at each step:

    text    as the course has it, and as a user of shoal writes it
    matrix  the fastest that we know of eager torch: powers of x once, two in-place matrix-vector
            products a step

and one of another:

    spin    no arithmetic: `steps` milliseconds of a core, whatever else it does meanwhile

A fit ends early where it has diverged, as shoal's does: at the first of 20 looks at which its loss
is not finite or 1,000 times its first.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import torch

LOOKS = 20
DIVERGE_FACTOR = 1000.0

BAD = 1e30
"""The loss told of a fit that diverged: no sampler takes NaN."""

Bounds = tuple[float, float, bool]  # low, high, logarithmic

SPACES: dict[str, dict[str, Bounds]] = {
    "course": {"lr": (1e-8, 1e-4, True)},
    "momentum": {
        "lr": (1e-8, 1e-4, True),
        "momentum": (0.0, 0.99, False),
        "scale": (0.1, 10, True),
    },
}
"""The default problem's space; and one of three hyperparameters, `scale` times the initial ones."""

Values = dict[str, float]


def fit(values: Values, steps: int, form: str) -> float:
    """Fit once; return the loss after the last update, or `BAD`."""
    lr, momentum = float(values["lr"]), float(values.get("momentum", 0.0))
    x = torch.linspace(-math.pi, math.pi, 2000)
    torch.manual_seed(0)
    start = float(values.get("scale", 1.0)) * torch.stack([torch.randn(()) for _ in range(4)])
    with torch.inference_mode():
        return FORMS[form](x, start, lr, momentum, steps)


def _text(x: torch.Tensor, start: torch.Tensor, lr: float, momentum: float, steps: int) -> float:
    y = torch.sin(x)
    a, b, c, d = start
    va, vb, vc, vd = torch.zeros(4)
    first = math.inf
    for step in range(steps):
        r = a + b * x + c * x**2 + d * x**3 - y
        if step % (steps // LOOKS or 1) == 0:
            loss = r.pow(2).sum().item()
            first = loss if step == 0 else first
            if not loss <= DIVERGE_FACTOR * first:
                return BAD
        g = 2.0 * r
        if momentum == 0.0:
            a = a - lr * g.sum()
            b = b - lr * (g * x).sum()
            c = c - lr * (g * x**2).sum()
            d = d - lr * (g * x**3).sum()
        else:
            va, vb = momentum * va + g.sum(), momentum * vb + (g * x).sum()
            vc, vd = momentum * vc + (g * x**2).sum(), momentum * vd + (g * x**3).sum()
            a, b, c, d = a - lr * va, b - lr * vb, c - lr * vc, d - lr * vd
    return _told((a + b * x + c * x**2 + d * x**3 - y).pow(2).sum().item(), first)


def _matrix(x: torch.Tensor, w: torch.Tensor, lr: float, momentum: float, steps: int) -> float:
    minus_y = -torch.sin(x)
    X = torch.stack([x**0, x, x**2, x**3])
    columns = X.T  # not contiguous: a copy is slower by half
    r, v, first = torch.empty(2000), torch.zeros(4), math.inf
    for step in range(steps):
        torch.addmv(minus_y, columns, w, out=r)
        if step % (steps // LOOKS or 1) == 0:
            loss = torch.dot(r, r).item()
            first = loss if step == 0 else first
            if not loss <= DIVERGE_FACTOR * first:
                return BAD
        if momentum == 0.0:
            w.addmv_(X, r, alpha=-2.0 * lr)
        else:
            v.mul_(momentum).addmv_(X, r, alpha=2.0)
            w.sub_(v, alpha=lr)
    r = torch.addmv(minus_y, columns, w)
    return _told(torch.dot(r, r).item(), first)


def _spin(x: torch.Tensor, w: torch.Tensor, lr: float, momentum: float, steps: int) -> float:
    until = time.thread_time() + steps / 1000
    while time.thread_time() < until:
        pass
    return (math.log10(lr) + 6) ** 2


FORMS = {"text": _text, "matrix": _matrix, "spin": _spin}


def _told(loss: float, first: float) -> float:
    return loss if loss <= DIVERGE_FACTOR * first else BAD


def arguments(about: str | None, samplers: tuple[str, ...] = ()) -> argparse.Namespace:
    """The arguments that all peers take; `--sampler` where there are several, the first unless
    given."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--form", choices=tuple(FORMS), default="matrix")
    parser.add_argument("--space", choices=tuple(SPACES), default="course")
    parser.add_argument("--seed", type=int, default=0)
    if samplers:
        parser.add_argument("--sampler", choices=samplers, default=samplers[0])
    return parser.parse_args()


def tell(trials: int, best: float) -> None:
    """Print what came of a search: trials that ended, and the best loss."""
    print(json.dumps({"trials": trials, "best": best}), flush=True)


def main() -> None:
    """Fit `--trials` times; print the seconds of each."""
    given = arguments(__doc__)
    torch.set_num_threads(1)
    values = {name: math.sqrt(low * high) for name, (low, high, _) in SPACES[given.space].items()}
    fit(values, 100, given.form)
    seconds, loss = [], math.nan
    for _ in range(given.trials):
        began = time.perf_counter()
        loss = fit(values, given.steps, given.form)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"trials": given.trials, "best": loss, "seconds": sorted(seconds)}))


if __name__ == "__main__":
    main()
