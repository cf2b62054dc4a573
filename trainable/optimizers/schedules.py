"""Schedules: the learning rate of each update, as a fraction of ``lr``.

    t   updates done     shape (), 0 at the first
    T   updates in all   a number
    f   factor of lr     shape ()

Fractions of T are hyperparameters, so that a schedule means the same for fits of any length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from shoal.trainable.optimizers.methods import Values


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """``factor(t, steps, values)`` is what ``lr`` is multiplied by.

    Attributes:
        hyperparameters: its own, each with its default (None: it has none and must be given).
        factor: None: it is always 1.
    """

    name: str
    hyperparameters: Mapping[str, float | None]
    factor: Callable[[torch.Tensor, int, Values], torch.Tensor] | None


def _linear(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    # f = 1 + (f_T - 1) t / T
    return 1 + (h["lr_final"] - 1) * (t / steps)


def _cosine(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    # f = f_T + (1 - f_T) (1 + cos(π t / T)) / 2   (Loshchilov & Hutter 2017, equation 5)
    return _eased(torch.ones_like(t), h["lr_final"], t / steps)


def _step(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    # f = decay^⌊t / s⌋,  s = max(1, round(drop_every T)) steps
    size = _rounded(h["drop_every"] / (1 / steps)).clamp(min=1.0)
    done = t / size
    whole = _rounded(done)
    return h["decay"] ** torch.where(whole > done, whole - 1, whole)


def _exponential(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    # f = f_T^(t / T)
    return h["lr_final"] ** (t / steps)


def _one_cycle(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    # up from f_0 to 1 until update a = peak T - 1, down to f_T at the last one, T - 1, both along
    # half a cosine   (Smith & Topin 2018, as torch.optim.lr_scheduler.OneCycleLR writes it)
    last = float(steps - 1)
    top = (h["peak"] / (1 / steps) - 1).clamp(min=0.0, max=last)
    one = torch.ones_like(t)
    # a first part of no length is left out, and so is a second
    up = _eased(h["lr_start"], one, t / torch.where(top > 0, top, one))
    rest = last - top
    down = _eased(one, h["lr_final"], (t - top) / torch.where(rest > 0, rest, one))
    return torch.where(t < top, up, down)


def _eased(start: torch.Tensor, end: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """From `start` to `end` along half a cosine, where `way` goes from 0 to 1."""
    return end + (start - end) * ((1 + torch.cos(math.pi * way)) / 2)


def _rounded(x: torch.Tensor) -> torch.Tensor:
    """The nearest whole number, of one below 2²² in float32, or 2⁵¹ in float64.

    By sums alone, which kernels have: adding 1.5 · 2²³ leaves no digits after the point.
    """
    large = 1.5 * 2.0 ** (23 if x.dtype == torch.float32 else 52)
    return (x + large) - large


SCHEDULE, CONSTANT = "schedule", "constant"

SCHEDULES: Mapping[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule(name=CONSTANT, hyperparameters={}, factor=None),
        Schedule(name="linear", hyperparameters={"lr_final": 0.0}, factor=_linear),
        Schedule(name="cosine", hyperparameters={"lr_final": 0.0}, factor=_cosine),
        Schedule(
            name="step",
            hyperparameters={"drop_every": 1 / 3, "decay": 0.1},
            factor=_step,
        ),
        Schedule(name="exponential", hyperparameters={"lr_final": 0.01}, factor=_exponential),
        Schedule(
            name="one-cycle",
            hyperparameters={"peak": 0.3, "lr_start": 0.04, "lr_final": 4e-6},
            factor=_one_cycle,
        ),
    )
}
"""Every schedule by its name.

lr_start, lr_final   factor at the first update, and at the end of the last (one-cycle: at the last)
drop_every           fraction of the updates between two drops; decay: factor of each drop
peak                 fraction of the updates until lr is reached
"""
