"""The gradient by hand against automatic differentiation, and against differences of the loss.

    x       a place: values of all parameters; the start is one, generic places are beside it
    g, t    the gradient there, by hand and by autograd
    v       a direction, of the parameters' scale; D the central difference of the loss along it

Where g and t agree, all is well. Where they do not, either may be right: autograd takes one side of a
kink (relu at 0, a tie of max), knows nothing of what stands behind ``detach()``, and makes NaN of what
``torch.where`` leaves out. So the loss itself is asked: g is wrong if g·v is not D either, at a place
where the loss is smooth. At a kink there is no derivative, so g is at most noted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from trainable.calls import LOSS, Calls
from trainable.differences import Slope, slope
from trainable.mistakes import Sample, named
from trainable.problem import Leaves, Params, leaves, like, names

COARSE = 1e-4
"""Largest relative error of a gradient by hand over one parameter, where autograd alone judges."""

FINE = 1e-6
"""The same for one element beside its parameter's largest: more is looked into by differences."""

MOVES = ((0.1, False), (1.0, True), (-1.0, True), (5.0, True))
"""Generic places: how far from the start, and whether in units of the parameters' own size. A
negative distance is the one before it, to the other side."""

MAX_COORDINATES, RANDOM_DIRECTIONS = 4, 2

Function = Callable[[Params], tuple[torch.Tensor, Params]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place, and what was found there.

    Attributes:
        truth: the gradient by autograd; None where there is none.
    """

    x: Leaves
    loss: float
    given: Leaves
    truth: Leaves | None


@dataclass(frozen=True, kw_only=True)
class Along:
    """A direction: the slope by differences, by hand and by autograd.

    Attributes:
        at: the parameter and its element (flat), where the direction is that of one element.
    """

    at: tuple[int, int] | None
    slope: Slope
    given: float
    truth: float
    slack: float

    @property
    def right(self) -> bool:
        """Whether the gradient by hand is what differences say."""
        return abs(self.given - self.slope.value) <= self.slack

    @property
    def autograd_right(self) -> bool:
        """Whether autograd's is."""
        return abs(self.truth - self.slope.value) <= self.slack

    @property
    def kinked(self) -> bool:
        """Whether the loss has a kink that the difference may come from."""
        apart = abs(self.slope.right - self.slope.left)
        off = abs(self.given - self.slope.value)
        return self.slope.kinked and (not math.isfinite(off) or apart > 0.2 * off)


class GradientCheck:
    """Compares the gradient at one set of hyperparameters, at the start and at generic places."""

    def __init__(self, calls: Calls, function: Function, start: Params, dtype: torch.dtype) -> None:
        """Prepare.

        Args:
            function: loss and gradient of parameters in `dtype`.
            start: the initial parameters.
        """
        self._calls, self._function, self._start = calls, function, start
        self._epsilon = torch.finfo(dtype).eps
        self._names = names(start)
        self._coarse = max(COARSE, 1e5 * self._epsilon)
        self._fine = max(FINE, 1e4 * self._epsilon)
        self._x = tuple(leaf.detach().to(dtype) for leaf in leaves(start))
        self._scales = tuple(_size(leaf) for leaf in self._x)
        self._generator = torch.Generator().manual_seed(0)

    def run(self) -> list[str]:
        """Return notes on kinks.

        Raises:
            ContractError: the gradient is wrong.
        """
        start = self._calls.guard(LOSS, lambda: self._place(self._x, careful=False))
        notes = self._judge(start, generic=False) if start is not None else []
        for place in self._moved():
            notes += self._judge(place, generic=True)
        return notes

    def _moved(self) -> Iterator[Place]:
        noise: list[torch.Tensor] = []
        for distance, relative in MOVES:
            if distance > 0:
                noise = [self._noise(leaf) for leaf in self._x]
            for shrink in (1.0, 0.1, 1e-2, 1e-3, 1e-4):
                x = tuple(
                    leaf + shrink * distance * (scale if relative else 1.0) * n
                    for leaf, scale, n in zip(self._x, self._scales, noise, strict=True)
                )
                place = self._place(x)
                if place is not None:
                    yield place
                    break

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        drawn = torch.randn(like.shape, generator=self._generator, dtype=torch.float64)
        return drawn.to(like.dtype)

    def _place(self, x: Leaves, careful: bool = True) -> Place | None:
        """Evaluate at `x`; None where the loss is not finite, or is not to be had."""
        try:
            loss, truth = self._autograd(x)
        except Exception:
            loss, truth = None, None
        try:
            with torch.no_grad():
                value, given = self._function(like(self._start, x))
        except Exception:
            if careful:
                return None
            raise
        loss = float(value) if loss is None else loss
        if not math.isfinite(loss):
            return None
        return Place(x=x, loss=loss, given=leaves(given), truth=truth)

    def _autograd(self, x: Leaves) -> tuple[float, Leaves | None]:
        variables = tuple(leaf.detach().clone().requires_grad_() for leaf in x)
        with torch.enable_grad():
            loss, _ = self._function(like(self._start, variables))
            if not loss.requires_grad:
                return float(loss), None
            found = torch.autograd.grad(loss, variables, allow_unused=True)
        truth = (torch.zeros_like(p) if t is None else t for t, p in zip(found, x, strict=True))
        return float(loss.detach()), tuple(truth)

    def _judge(self, place: Place, *, generic: bool) -> list[str]:
        off = self._off(place, fine=True)
        if not off:
            return []
        found = [a for a in self._directions(place, off) if a is not None]
        kinked = any(along.kinked for along in found)
        wrong = [along for along in found if not along.right and not kinked]
        if wrong:
            self._refuse(place, off, next((a for a in wrong if a.at is not None), wrong[0]))
        if kinked:
            return [
                f"{self._calls.where(LOSS)}: the loss has a kink at the initial parameters, where the "
                f"gradient of parameter {self._names[along.at[0]]} is {along.given:.6g} by hand and "
                f"its one-sided slopes are {along.slope.left:.6g} and {along.slope.right:.6g}"
                for along in found
                if along.at is not None and not along.right and not along.slope.between(along.given)
            ][:1]
        undecided = not found or any(a.right and a.autograd_right for a in found)
        if undecided and not generic and not all(map(_finite, place.given)):
            self._refuse(place, off, None)  # the first update makes the parameters NaN
        if undecided and generic and place.truth is not None and self._off(place, fine=False):
            if all(map(_finite, place.truth)):
                self._refuse(place, off, None)
        return []

    def _off(self, place: Place, *, fine: bool) -> list[tuple[float, int, torch.Tensor]]:
        """Parameters that autograd has another gradient of, the worst first.

        Returns:
            for each how far it is off, its number, and a mask of the elements that are off.
        """
        if place.truth is None:
            masks = [torch.ones_like(g, dtype=torch.bool) for g in place.given]
            return [(1.0, i, mask) for i, mask in enumerate(masks) if mask.numel()]
        found = []
        for i, (g, t) in enumerate(zip(place.given, place.truth, strict=True)):
            if not t.numel():
                continue
            largest = t.abs().max()
            if fine:
                floor = 1e4 * self._epsilon * abs(place.loss) / max(1.0, self._scales[i])
                allowed = self._coarse * t.abs() + self._fine * largest + 0.5 * floor
            else:
                allowed = self._coarse * largest.clamp(min=1e-6 * abs(place.loss)).expand(t.shape)
            ratio = (g - t).abs() / allowed.clamp(min=1e-300 if g.dtype == torch.float64 else 1e-37)
            mask = ~(ratio <= 1)
            if mask.any():
                found.append((float(ratio.nan_to_num(nan=math.inf).max()), i, mask))
        return sorted(found, key=lambda item: -item[0])

    def _directions(
        self, place: Place, off: list[tuple[float, int, torch.Tensor]]
    ) -> Iterator[Along | None]:
        for _, i, mask in off[:MAX_COORDINATES]:
            gap = (place.given[i] - self._truth(place)[i]).abs()
            gap = gap.nan_to_num(nan=math.inf, posinf=math.inf)
            worst = int(torch.where(mask, gap, -1.0).argmax())
            direction = [torch.zeros_like(leaf) for leaf in place.x]
            direction[i].view(-1)[worst] = 1.0
            yield self._along(place, direction, (i, worst))
        for _ in range(RANDOM_DIRECTIONS):
            direction = [torch.zeros_like(leaf) for leaf in place.x]
            for _, i, mask in off:
                sound = mask & place.given[i].isfinite()
                direction[i] = self._noise(place.x[i]) * sound / math.sqrt(max(1, int(sound.sum())))
            if any(bool(part.any()) for part in direction):
                yield self._along(place, direction, None)

    @staticmethod
    def _truth(place: Place) -> Leaves:
        if place.truth is not None:
            return place.truth
        return tuple(torch.full_like(leaf, math.nan) for leaf in place.x)

    def _along(
        self, place: Place, direction: list[torch.Tensor], at: tuple[int, int] | None
    ) -> Along | None:
        scaled = [scale * part for scale, part in zip(self._scales, direction, strict=True)]

        def f(position: float) -> float:
            x = tuple(p + position * v for p, v in zip(place.x, scaled, strict=True))
            try:
                with torch.no_grad():
                    return float(self._function(like(self._start, x))[0])
            except Exception:  # beyond where the loss is defined
                return math.nan

        found = slope(f, epsilon=self._epsilon)
        if found is None:
            return None
        per = self._scales[at[0]] if at is not None else 1.0  # back to the gradient's own units
        found = Slope(
            value=found.value / per,
            error=found.error / per,
            left=found.left / per,
            right=found.right / per,
            kinked=found.kinked,
        )
        given, size = _product(place.given, scaled)
        truth, _ = _product(self._truth(place), scaled)
        slack = (
            4 * found.error
            + 0.1 * self._coarse * max(abs(found.value), abs(given / per) if at is None else 0.0)
            + (1e-2 * self._fine * size / per if at is None else 0.0)
            + 5e3 * self._epsilon * abs(place.loss) / per
        )
        return Along(at=at, slope=found, given=given / per, truth=truth / per, slack=slack)

    def _refuse(
        self, place: Place, off: list[tuple[float, int, torch.Tensor]], along: Along | None
    ) -> None:
        if place.truth is None and along is not None and abs(along.slope.value) <= along.slack:
            self._calls.fail(
                LOSS, "the loss does not depend on the parameters through torch operations"
            )
        truth = self._truth(place)
        if along is not None and along.at is not None:
            i, element = along.at
        else:
            i, mask = off[0][1:]
            gap = (place.given[i] - truth[i]).abs().nan_to_num(nan=math.inf)
            element = int(torch.where(mask, gap, -1.0).argmax())
        given, autograd = (float(leaf.flatten()[element]) for leaf in (place.given[i], truth[i]))
        told = f"{given:.6g} by hand, {autograd:.6g} by autograd"
        if along is not None and along.at is not None:
            value = along.slope.value
            if along.autograd_right:
                told += " and by central differences of the loss"
            elif place.truth is None:
                told = f"{given:.6g} by hand, {value:.6g} by central differences of the loss"
            else:
                told += f", {value:.6g} by central differences of the loss"
        if place.x[i].numel() > 1:
            told += f", at {_index(element, place.x[i].shape)}"
        name = None
        if not math.isfinite(given):
            name = "guard it, as by clamp(min=…) where it divides or takes a root or logarithm"
        elif place.truth is not None and (along is None or along.autograd_right):
            name = named(self._samples(place), self._names, i)
        said = f"the gradient of parameter {self._names[i]} is off: {told}"
        self._calls.fail(LOSS, said + (f"; {name}" if name else ""))

    def _samples(self, place: Place) -> list[Sample]:
        """The gradient by hand and by autograd at places near and far, for its likeness to others."""
        found = [place]
        for distance in (0.0, 0.03, 0.1, 0.3, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 10.0, -10.0):
            noise = [self._noise(leaf) for leaf in self._x]
            x = tuple(
                leaf + distance * scale * n
                for leaf, scale, n in zip(self._x, self._scales, noise, strict=True)
            )
            there = self._place(x)
            if there is not None and there.truth is not None:
                found.append(there)
        return [
            Sample(x=p.x, given=p.given, truth=p.truth)
            for p in found
            if p.truth is not None and all(map(_finite, (*p.given, *p.truth)))
        ]


def _size(leaf: torch.Tensor) -> float:
    """The root of the mean square of a parameter's elements; 1 where they are all 0."""
    size = float(leaf.double().pow(2).mean().sqrt()) if leaf.numel() else 0.0
    return size if math.isfinite(size) and size > 0 else 1.0


def _finite(leaf: torch.Tensor) -> bool:
    return bool(leaf.isfinite().all())


def _product(gradient: Leaves, direction: list[torch.Tensor]) -> tuple[float, float]:
    """The inner product, and the sum of the magnitudes of its terms; what v lacks is left out."""
    total = size = 0.0
    for g, v in zip(gradient, direction, strict=True):
        terms = torch.where(v != 0, g * v, torch.zeros_like(v)).double()
        total, size = total + float(terms.sum()), size + float(terms.abs().sum())
    return total, size


def _index(element: int, shape: torch.Size) -> list[int]:
    found = []
    for size in reversed(shape):
        element, place = divmod(element, size)
        found.append(place)
    return found[::-1]
