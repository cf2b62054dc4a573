"""Compares a problem's gradient with autograd and with finite differences of the loss.

    x       a place: values of all parameters; the start is one, generic places are beside it
    g, t    the gradient there, by hand and by autograd
    v       a direction, of the parameters' scale; D the central difference of the loss along it

Where g and t agree, all is well. Where they do not, either may be right: autograd takes one side of
a kink (relu at 0, a tie of max), knows nothing of what stands behind ``detach()``, and makes NaN of
what ``torch.where`` leaves out. So the loss itself is asked: g is wrong if g·v is not D either, at
a place where the loss is smooth. At a kink there is no derivative, and g is noted at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from shoal.trainable.checking.gradient.mistakes import Sample, named
from shoal.trainable.checking.gradient.places import Along, Function, Place, Surface
from shoal.trainable.problems import LOSS, Calls, Params, names

MAX_COORDINATES, RANDOM_DIRECTIONS = 4, 2
"""Directions at a place: the worst element of so many parameters, and random ones."""

KINK_AT_START, KINK_BESIDE = 0.05, 1.0
"""How far apart the slopes to both sides are at a kink, in units of what is to be explained. The
start may well be at a kink; a generic place is not, and what looks like one may be rounding."""


@dataclass(frozen=True, kw_only=True)
class Off:
    """A parameter tensor whose hand-written gradient differs from autograd's.

    Attributes:
        ratio: how much more than they may; elements: a mask of those that do.
    """

    parameter: int
    ratio: float
    elements: torch.Tensor


class GradientCheck:
    """The check for one set of hyperparameters, at the initial parameters and at random points."""

    def __init__(self, calls: Calls, function: Function, start: Params, dtype: torch.dtype) -> None:
        """Prepare.

        Args:
            function: loss and gradient of parameters in `dtype`.
            start: the initial parameters.
        """
        self._calls = calls
        self._surface = Surface(function, start, dtype)
        self._names = names(start)

    def run(self) -> list[str]:
        """Compare, and return notes on points where the loss has no derivative (kinks).

        Raises:
            ContractError: the gradient is wrong.
        """
        surface = self._surface
        start = self._calls.guard(LOSS, lambda: surface.place(surface.start, careful=False))
        notes = self._judge(start, generic=False) if start is not None else []
        for place in surface.moved():
            notes += self._judge(place, generic=True)
        return notes

    def _judge(self, place: Place, *, generic: bool) -> list[str]:
        off = self._off(place)
        if not off:
            return []
        found = [along for along in self._directions(place, off) if along is not None]
        apart = KINK_BESIDE if generic else KINK_AT_START
        doubtful = [along for along in found if not along.right]
        if any(along.kinked(apart) for along in found):
            beyond = [a for a in doubtful if a.at is not None and not a.slope.between(a.given)]
            return [self._note(along, *along.at) for along in beyond[:1] if along.at is not None]
        if doubtful:
            self._refuse(place, off, next((a for a in doubtful if a.at is not None), doubtful[0]))
        if any(not along.autograd_right for along in found):
            return []  # differences tell the two apart, and the gradient by hand is right
        if generic and self._grossly(place):
            self._refuse(place, off, None)  # rounding hides it from differences
        return []

    def _off(self, place: Place) -> list[Off]:
        """Return the tensors whose gradient differs from autograd's, largest error first."""
        found = []
        for i, (g, t) in enumerate(zip(place.given, place.autograd, strict=True)):
            if t.numel():
                rounding = self._surface.noise_level * abs(place.loss)
                allowed = self._surface.coarse * t.abs() + self._surface.fine * t.abs().max()
                allowed += rounding / max(1.0, self._surface.scales[i])
                ratio = (g - t).abs() / allowed.clamp(min=torch.finfo(g.dtype).tiny)
                mask = ~(ratio <= 1)
                worst = float(ratio.nan_to_num(nan=math.inf).max())
                found += [Off(parameter=i, ratio=worst, elements=mask)] if mask.any() else []
        return sorted(found, key=lambda off: -off.ratio)

    def _grossly(self, place: Place) -> bool:
        """Whether the difference from autograd alone proves the gradient wrong."""
        if place.truth is None or not all(bool(t.isfinite().all()) for t in place.truth):
            return False
        return any(
            not bool(
                (g - t).abs().max()
                <= self._surface.coarse * t.abs().max().clamp(min=1e-6 * abs(place.loss))
            )
            for g, t in zip(place.given, place.truth, strict=True)
            if t.numel()
        )

    def _directions(self, place: Place, off: list[Off]) -> Iterator[Along | None]:
        for one in off[:MAX_COORDINATES]:
            element = _worst(place, one)
            direction = [torch.zeros_like(leaf) for leaf in place.x]
            direction[one.parameter].view(-1)[element] = 1.0
            yield self._surface.along(place, direction, (one.parameter, element))
        for _ in range(RANDOM_DIRECTIONS):
            direction = [torch.zeros_like(leaf) for leaf in place.x]
            for one in off:
                i = one.parameter
                sound = one.elements & place.given[i].isfinite()
                noise = self._surface.noise(place.x[i]) / math.sqrt(max(1, int(sound.sum())))
                direction[i] = torch.where(sound, noise, direction[i])
            if any(bool(part.any()) for part in direction):
                yield self._surface.along(place, direction, None)

    def _note(self, along: Along, parameter: int, element: int) -> str:
        where = "" if self._surface.start[parameter].numel() == 1 else f" (element {element})"
        return (
            f"{self._calls.where(LOSS)}: the loss has a kink where the gradient of parameter "
            f"{self._names[parameter]}{where} is {along.given:.6g} by hand; the slopes to its two "
            f"sides are {along.slope.left:.6g} and {along.slope.right:.6g}"
        )

    def _refuse(self, place: Place, off: list[Off], along: Along | None) -> None:
        """Raise the error: which element is wrong, by how much, and what the mistake looks like.

        Raises:
            ContractError: always.
        """
        if place.truth is None and along is not None and abs(along.slope.value) <= along.slack:
            way = "compute it from params, without detach(), numpy or comparisons alone"
            self._calls.fail(
                LOSS, f"the loss does not depend on the parameters through torch operations; {way}"
            )
        judged = along is not None and along.at is not None
        i, element = along.at if along is not None and along.at else (off[0].parameter, -1)
        element = element if judged else _worst(place, off[0])
        given, autograd = (float(g[i].flatten()[element]) for g in (place.given, place.autograd))
        told = f"{given:.6g} by hand, {autograd:.6g} by autograd"
        if along is not None and judged:
            by_differences = f"{along.slope.value:.6g} by central differences"
            if along.autograd_right:
                told += " and by central differences"
            elif place.truth is None:
                told = f"{given:.6g} by hand, {by_differences}"
            else:
                told += f", {by_differences}"
        if place.x[i].numel() > 1:
            told += f", at {_index(element, place.x[i].shape)}"
        if not math.isfinite(given):
            told += "; guard it, as by clamp(min=…) where it divides or takes a root or logarithm"
        elif place.truth is not None and (along is None or along.autograd_right):
            name = named(self._samples(place), self._names, i)
            told += f"; {name}" if name is not None else ""
        self._calls.fail(LOSS, f"the gradient of parameter {self._names[i]} is off: {told}")

    def _samples(self, place: Place) -> list[Sample]:
        """Return the problem's gradient and the derivative at points near and far."""
        return [
            Sample(x=there.x, given=there.given, truth=there.truth)
            for there in (place, *self._surface.far())
            if there.truth is not None
            and all(bool(g.isfinite().all()) for g in (*there.given, *there.truth))
        ]


def _worst(place: Place, off: Off) -> int:
    """Return the (flat) index of the element whose gradient is the furthest off."""
    i = off.parameter
    gap = (place.given[i] - place.autograd[i]).abs().nan_to_num(nan=math.inf)
    return int(torch.where(off.elements, gap, -1.0).argmax())


def _index(element: int, shape: torch.Size) -> list[int]:
    """Return the index of a flat element in a tensor of this shape."""
    found = []
    for size in reversed(shape):
        element, place = divmod(element, size)
        found.append(place)
    return found[::-1]
