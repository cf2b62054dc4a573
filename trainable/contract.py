"""The contract of a problem, tried out before anything starts.

Each promise of `trainable.problem` is checked by running the problem: one lane, several lanes
under ``torch.vmap``, and under full tracing; versions of tensors before and after; the gradient
against ``torch.autograd`` in float64. A failure is one line with the line of the user's file.
"""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from trainable.errors import ContractError, explained
from trainable.fused.lowering import LANES
from trainable.lanes import Lanes
from trainable.problem import Leaves, hyperparameters, leaves, like, names
from trainable.program import Program
from trainable.starts import begun
from trainable.tracing import Work
from trainable.values import cast, describe, kind, same, structure, tensors

GRADIENT_TOLERANCE = 1e-4
"""Largest relative error of a gradient by hand, in float64, over one parameter."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the trial told about a problem.

    Attributes:
        work: what one update of one lane does, at the most over all shapes and rules tried.
    """

    work: Work


def check(
    problem: type,
    *,
    rules: Sequence[str],
    shapes: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, float]],
) -> Checked:
    """Check that `problem` keeps the contract.

    Args:
        shapes: constructor arguments to try.
        points: hyperparameters to try; each has every one of the problem's and the rules'.

    Raises:
        ContractError: it does not; the message is one line.
    """
    work = Work()
    for shape in shapes:
        trial = _Trial(problem, dict(shape))
        for point in points:
            trial.one_lane(point)
        for rule in rules:
            work = work.most(trial.stacked(rule, points))
        for point in points:
            trial.gradient(point)
    return Checked(work=work)


class _Trial:
    """One instance of a problem under test."""

    def __init__(self, problem: type, shape: dict[str, Any]) -> None:
        self.cls, self.shape = problem, shape
        self.declared = hyperparameters(problem)
        self.problem: Any = self.guard("__init__", lambda: problem(**shape))
        self.data = self.twice("data", lambda: self.problem.data())
        if not tensors(self.data):
            self.fail(
                "data", f"returns {kind(self.data)}, not a tensor or a tuple or dict of tensors"
            )

    def fail(self, method: str, what: str) -> None:
        raise ContractError(f"{self.where(method)}: {what}")

    def where(self, method: str) -> str:
        """``file.py:LINE: Class.method`` of a method's definition."""
        function = inspect.unwrap(getattr(self.cls, method))
        code = getattr(function, "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
        return f"{place}{self.cls.__name__}.{method}"

    def guard(self, method: str, call: Callable[[], Any]) -> Any:
        """Call; tell what it raises in one line that names the line of the user's file."""
        try:
            return call()
        except ContractError:
            raise
        except (Exception, SystemExit) as error:  # whatever the user's code raises is one line
            file = inspect.getfile(self.cls)
            lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
            place = f"{file}:{lines[-1].lineno}" if lines else self.where(method)
            raise ContractError(f"{place}: {explained(error)}") from error

    def twice(self, method: str, call: Callable[[], Any]) -> Any:
        """Call twice, under different global seeds; the results must be the same."""
        state = torch.get_rng_state()
        torch.manual_seed(1)
        first = self.guard(method, call)
        torch.manual_seed(2)
        second = self.guard(method, call)
        torch.set_rng_state(state)
        if not same(first, second):
            self.fail(
                method, "gives something else each time; use a torch.Generator with a fixed seed"
            )
        return first

    def initial(self, point: Mapping[str, float]) -> Any:
        own = {name: point[name] for name in self.declared.initial}
        params = self.twice("initial", lambda: begun(self.problem.initial, 0, own))
        if not isinstance(params, (tuple, dict)) or not params:
            self.fail("initial", f"returns {kind(params)}, not a tuple or dict of tensors")
        for name, leaf in zip(names(params), leaves(params), strict=True):
            if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
                self.fail(
                    "initial", f"parameter {name} is {kind(leaf)}, not a floating-point tensor"
                )
        if len({leaf.dtype for leaf in leaves(params)}) > 1:
            self.fail("initial", "the parameters have several dtypes; give them one")
        return params

    def own(self, point: Mapping[str, float], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(point[name], dtype=dtype) for name in self.declared.loss}

    def one_lane(self, point: Mapping[str, float]) -> None:
        """Run one lane: what is returned, and that nothing was written in place."""
        method = "loss_and_gradient"
        params = self.initial(point)
        own = self.own(point, leaves(params)[0].dtype)
        watched = [*leaves(params), *tensors(self.data), *own.values()]
        before = [tensor._version for tensor in watched]
        with torch.no_grad():
            result = self.twice(
                method, lambda: self.problem.loss_and_gradient(params, self.data, **own)
            )
        changed = [t._version != v for t, v in zip(watched, before, strict=True)]
        if any(changed):
            count = len(leaves(params))
            which = (
                f"parameter {names(params)[changed.index(True)]}"
                if any(changed[:count])
                else "the data"
                if any(changed[count : len(watched) - len(own)])
                else "a hyperparameter"
            )
            self.fail(method, f"writes into {which} in place; make a new tensor")
        if not isinstance(result, tuple) or len(result) != 2:
            self.fail(method, f"returns {kind(result)}, not (loss, gradient)")
        loss, gradient = result
        dtype = leaves(params)[0].dtype
        if not isinstance(loss, torch.Tensor):
            self.fail(method, f"the loss is {kind(loss)}, not a tensor of shape ()")
        if loss.shape != () or loss.dtype != dtype:
            self.fail(method, f"the loss is {kind(loss)}, not {describe((), dtype)}")
        if type(gradient) is not type(params) or names(gradient) != names(params):
            self.fail(
                method,
                f"the gradient is {structure(gradient)}, "
                f"not {structure(params)} like the parameters",
            )
        for name, g, p in zip(names(params), leaves(gradient), leaves(params), strict=True):
            if not isinstance(g, torch.Tensor) or g.shape != p.shape or g.dtype != p.dtype:
                self.fail(
                    method,
                    f"the gradient of parameter {name} is {kind(g)}, "
                    f"not {describe(p.shape, p.dtype)} like the parameter",
                )

    def gradient(self, point: Mapping[str, float]) -> None:
        """Compare the gradient with autograd's in float64, at the start and beside it."""
        start = self.initial(point)
        data = cast(self.data, torch.float64)
        own = self.own(point, torch.float64)
        generator = torch.Generator().manual_seed(0)
        for distance in (0.0, 0.1):
            moved: Leaves = tuple(
                (
                    p.double()
                    + distance * torch.randn(p.shape, generator=generator, dtype=torch.float64)
                )
                for p in leaves(start)
            )
            self._compare(start, moved, data, own)

    def _compare(self, start: Any, moved: Leaves, data: Any, own: dict[str, torch.Tensor]) -> None:
        method = "loss_and_gradient"
        variables = tuple(p.detach().clone().requires_grad_() for p in moved)

        def run() -> Any:
            with torch.enable_grad():
                loss, _ = self.problem.loss_and_gradient(like(start, variables), data, **own)
                if not loss.requires_grad:
                    return loss, None
                return loss, torch.autograd.grad(loss, variables, allow_unused=True)

        loss, truth = self.guard(method, run)
        if not math.isfinite(float(loss.detach())):
            return
        if truth is None:
            self.fail(method, "the loss does not depend on the parameters through torch operations")
        with torch.no_grad():
            _, given = self.guard(
                method,
                lambda: self.problem.loss_and_gradient(like(start, moved), data, **own),
            )
        for name, g, t, p in zip(names(start), leaves(given), truth, moved, strict=True):
            t = torch.zeros_like(p) if t is None else t
            error = float((g.double() - t).abs().max()) if t.numel() else 0.0
            scale = float(t.abs().max()) if t.numel() else 0.0
            if not error <= GRADIENT_TOLERANCE * max(
                scale, 1e-6 * abs(float(loss.detach())), 1e-12
            ):
                worst = int((g.double() - t).abs().argmax())
                self.fail(
                    method,
                    f"the gradient of parameter {name} is off: "
                    f"{float(g.flatten()[worst]):.6g} by hand, "
                    f"{float(t.flatten()[worst]):.6g} by autograd",
                )

    def stacked(self, rule: str, points: Sequence[Mapping[str, float]]) -> Work:
        """Run several lanes under vmap and traced; return what a lane's update does.

        Two steps, since after one the rule's state and the parameters are still as they began.
        """
        method = "loss_and_gradient"
        lanes = _lanes(points, self.shape)
        program = Program(
            self.cls, rule=rule, shape=self.shape, defaults={}, block=LANES, device="cpu"
        )
        with torch.no_grad():
            which = torch.arange(LANES)
            params, state = program.initial(lanes, which)
            values = program.values(lanes, which)
            leaf_names = [f"parameter {name}" for name in names(self.initial(points[0]))]
            apart = [
                tuple(tuple(t[lane] for t in part) for part in (params, state, values))
                for lane in range(LANES)
            ]
            self.guard(method, partial(program.prepare, params, state, values))
            routes = (program.stacked_step, program.chunk)
            reached = [(params, state)] * 2
            for _ in range(2):
                results = [
                    self.guard(method, partial(route, *before, values))
                    for route, before in zip(routes, reached, strict=True)
                ]
                reached = [(after, state) for _, after, state in results]
                for lane, (p, s, v) in enumerate(apart):
                    loss, moved, stated = program.lane_step(p, s, v)
                    apart[lane] = (moved, stated, v)
                    for many_losses, many_moved, _ in results:
                        self.alike("the loss", loss, many_losses[lane])
                        for name, one, many in zip(leaf_names, moved, many_moved, strict=True):
                            self.alike(name, one, many[lane])
            return program.count(params, state, values)

    def alike(self, what: str, one: torch.Tensor, many: torch.Tensor) -> None:
        """Compare what a lane gives alone and among others, up to rounding."""
        if not (bool(torch.isfinite(one).all()) and bool(torch.isfinite(many).all())):
            return
        scale = float(one.abs().max()) if one.numel() else 0.0
        if not torch.allclose(one, many, rtol=0, atol=1e-3 * scale + 1e-5):
            self.fail(
                "loss_and_gradient",
                f"{what} is not the same for a lane alone and for a lane among others; "
                "it keeps something between calls or writes in place",
            )


def _lanes(points: Sequence[Mapping[str, float]], shape: dict[str, Any]) -> Lanes:
    chosen = [points[i % len(points)] for i in range(LANES)]
    return Lanes(
        trial=torch.arange(LANES),
        replicate=torch.zeros(LANES, dtype=torch.int64),
        seed=torch.arange(LANES),
        values={
            name: torch.tensor([point[name] for point in chosen], dtype=torch.float64)
            for name in chosen[0]
        },
        shape=shape,
    )
