"""The contract of a problem, tried out before anything starts.

Each promise of `trainable.problem` is checked by running the problem: one lane, several lanes
under ``torch.vmap``, and under full tracing; versions of tensors before and after; the gradient
against ``torch.autograd`` in float64. A failure is one line with the line of the user's file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from trainable import inputs, randomness
from trainable.calls import LOSS, Calls
from trainable.errors import ContractError
from trainable.fused.lowering import LANES
from trainable.gradient import GradientCheck
from trainable.lanes import Lanes
from trainable.problem import Params, hyperparameters, leaves, names
from trainable.program import Program
from trainable.tracing import Work
from trainable.values import cast, describe, doubled, kind, same, structure, tensors


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the trial told about a problem.

    Attributes:
        work: what one update of one lane does, at the most over all shapes and rules tried.
        notes: what breaks no promise, and the user should know; a line each.
    """

    work: Work
    notes: tuple[str, ...] = ()


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
    work, notes = Work(), []
    for shape in shapes:
        trial = _Trial(problem, dict(shape))
        for point in points:
            trial.one_lane(point)
        trial.begins_finite()
        trial.keeps_nothing(points[0])
        for rule in rules:
            work = work.most(trial.stacked(rule, points))
        for point in trial.own_points(points):
            trial.gradient(point)
        trial.is_the_same_later()
        notes += trial.notes
    return Checked(work=work, notes=tuple(dict.fromkeys(notes)))


@dataclass(frozen=True, kw_only=True)
class _First:
    """The first step at one set of hyperparameters."""

    point: Mapping[str, float]
    params: Params
    own: dict[str, torch.Tensor]
    loss: torch.Tensor
    gradient: Params


class _Trial(Calls):
    """One instance of a problem under test."""

    def __init__(self, problem: type, shape: dict[str, Any]) -> None:
        super().__init__(problem)
        self.shape = shape
        self.declared = hyperparameters(problem)
        self.notes: list[str] = []
        self.firsts: list[_First] = []
        with randomness.seeded(1):
            self.problem: Any = self.guard("__init__", lambda: problem(**shape))
            self.data = self.guard("data", lambda: self.problem.data())
        told = inputs.complaint(self.data)
        if told is not None:
            self.fail("data", told)
        self.double_data = cast(self.data, torch.float64)
        with randomness.seeded(2):
            self.same("data", self.data, lambda: self.problem.data())
        self.other = self.another(3)

    def another(self, seed: int) -> Any:
        """Another instance; its data must be those of the first."""
        with randomness.seeded(seed):
            other = self.guard("__init__", lambda: self.cls(**self.shape))
            data = self.guard("data", lambda: other.data())
        if not same(self.data, data):
            method = "__init__" if "__init__" in vars(self.cls) else "data"
            self.fail(method, f"the data are others for each new {self.cls.__name__}; {_FIXED}")
        return other

    def same(self, method: str, first: Any, call: Callable[[], Any]) -> None:
        """Call again; it must return what it returned first."""
        again = self.guard(method, call)
        if same(first, again):
            return
        drawn = randomness.source(call, self.file)
        by = f" (it draws random numbers: {drawn})" if drawn is not None else ""
        way = _IN_A_STEP if method == LOSS else _FROM_SEED if method == "initial" else _FIXED
        self.fail(method, f"gives something else each time{by}; {way}")

    def twice(self, method: str, call: Callable[[], Any]) -> Any:
        """Call twice, under different global seeds; the results must be the same."""
        with randomness.seeded(1):
            first = self.guard(method, call)
        with randomness.seeded(2):
            self.same(method, first, call)
        return first

    def initial(self, point: Mapping[str, float]) -> Any:
        own = {name: torch.tensor(point[name]) for name in self.declared.initial}
        params = self.twice("initial", lambda: self.problem.initial(0, **own))
        if not isinstance(params, (tuple, dict)) or not params:
            what = f"an empty {type(params).__name__}" if isinstance(params, (tuple, dict)) else ""
            self.fail(
                "initial",
                f"returns {what or kind(params)}, not a tuple or dict of tensors: "
                'write {"w": w}, or (w,) for one tensor w',
            )
        for name, leaf in zip(names(params), leaves(params), strict=True):
            if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
                self.fail(
                    "initial",
                    f"parameter {name} is {kind(leaf)}, not a floating-point tensor; "
                    "write torch.tensor(1.0) or x.float()",
                )
            if leaf.requires_grad:
                self.fail("initial", f"parameter {name} requires a gradient; write it .detach()ed")
        if len({leaf.dtype for leaf in leaves(params)}) > 1:
            several = ", ".join(
                f"{name} {str(leaf.dtype).removeprefix('torch.')}"
                for name, leaf in zip(names(params), leaves(params), strict=True)
            )
            self.fail("initial", f"the parameters have several dtypes; give them one ({several})")
        return params

    def own(self, point: Mapping[str, float], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(point[name], dtype=dtype) for name in self.declared.loss}

    def own_points(self, points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
        """Those of the points that differ in a hyperparameter of the problem's own."""
        apart = {tuple(point[name] for name in self.declared.own): point for point in points}
        return list(apart.values())

    def one_lane(self, point: Mapping[str, float]) -> None:
        """Run one lane: what is returned, and that nothing was written in place."""
        method = LOSS
        params = self.initial(point)
        dtype = leaves(params)[0].dtype
        own = self.own(point, dtype)
        watched = [*leaves(params), *tensors(self.data), *own.values()]
        before = [tensor._version for tensor in watched]
        try:
            with torch.no_grad():
                result = self.twice(
                    method, lambda: self.problem.loss_and_gradient(params, self.data, **own)
                )
        except ContractError as error:
            told = self.other_dtype("it fails", params, own)
            if told is None or "something else each time" in str(error):
                raise
            self.fail(method, told)
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
            self.fail(
                method, f"writes into {which} in place; make a new tensor, as by x = x + 1 for x += 1"
            )
        if not isinstance(result, tuple) or len(result) != 2:
            self.fail(
                method,
                f"returns {kind(result)}, not (loss, gradient): end it with return loss, gradient",
            )
        loss, gradient = result
        if not isinstance(loss, torch.Tensor):
            self.fail(
                method,
                f"the loss is {kind(loss)}, not a tensor of shape (); compute it from the parameters",
            )
        if loss.shape != () or loss.dtype != dtype:
            told = self.other_dtype(f"the loss is {kind(loss)}", params, own)
            way = "reduce it, by .sum() or .mean()" if loss.shape != () else ""
            if told is not None and not way:
                self.fail(method, told)
            way = way or "something in loss_and_gradient or on self has that dtype; use the parameters'"
            self.fail(method, f"the loss is {kind(loss)}, not {describe((), dtype)}; {way}")
        if type(gradient) is not type(params) or names(gradient) != names(params):
            self.fail(
                method,
                f"the gradient is {structure(gradient)}, "
                f"not {structure(params)} like the parameters",
            )
        for name, g, p in zip(names(params), leaves(gradient), leaves(params), strict=True):
            if not isinstance(g, torch.Tensor) or g.shape != p.shape or g.dtype != p.dtype:
                what = f"the gradient of parameter {name} is {kind(g)}"
                if isinstance(g, torch.Tensor) and g.shape == p.shape:
                    told = self.other_dtype(what, params, own)
                    if told is not None:
                        self.fail(method, told)
                self.fail(
                    method, f"{what}, not {describe(p.shape, p.dtype)} like the parameter"
                )
        self.firsts.append(
            _First(point=point, params=params, own=own, loss=loss, gradient=gradient)
        )

    def other_dtype(
        self, what: str, params: Params, own: dict[str, torch.Tensor]
    ) -> str | None:
        """What to say if data of another dtype than the parameters' are why it goes wrong."""
        dtype = leaves(params)[0].dtype

        def works(data: Any) -> bool:
            try:
                with torch.no_grad(), randomness.seeded(1):
                    loss, gradient = self.problem.loss_and_gradient(params, data, **own)
                return all(tensor.dtype == dtype for tensor in (loss, *leaves(gradient)))
            except Exception:
                return False

        found, whole = inputs.culprits(self.data, dtype, works)
        if not whole:
            return None
        mine, short = (str(d).removeprefix("torch.") for d in (dtype, dtype))
        theirs = {str(tensors_[name].dtype).removeprefix("torch.") for name in found} if (
            tensors_ := inputs.labelled(self.data)
        ) else set()
        way = ".float()" if dtype == torch.float32 else f".to(torch.{short})"
        other = sorted(theirs)[0]
        many = "are" if len(found) > 1 else "is"
        parameters = ", ".join(names(params))
        return (
            f"{what}: {' and '.join(found)} {many} {' and '.join(sorted(theirs))}, the parameters "
            f"({parameters}) are {mine}; return {found[0]} from data() with {way}, or make the "
            f"parameters with dtype=torch.{other} in initial()"
        )

    def begins_finite(self) -> None:
        """The first loss and gradient are finite at some of the points at least."""
        bad = [first for first in self.firsts if not math.isfinite(float(first.loss))]
        if bad and len(bad) < len(self.firsts):
            at = ", ".join(f"{name}={bad[0].point[name]:g}" for name in self.declared.own)
            self.notes.append(
                f"{self.where(LOSS)}: the first loss is {float(bad[0].loss):g} at {at}: "
                "such fits diverge at once; narrow the space to leave them out"
            )
        if len(bad) == len(self.firsts):
            self.explain_first(bad[0])
        sick = [f for f in self.firsts if not all(map(_finite, leaves(f.gradient)))]
        if len(sick) == len(self.firsts):
            gradient = sick[0].gradient
            named = dict(zip(names(gradient), leaves(gradient), strict=True))
            told = inputs.not_finite({f"that of parameter {n}": g for n, g in named.items()})
            self.fail(
                LOSS,
                f"the first loss is finite and its gradient is not: {told[0]}; guard it, as by "
                "clamp(min=…) where it divides or takes a root or logarithm",
            )

    def explain_first(self, first: _First) -> None:
        """Tell why the first loss is not finite, as far as it can be known."""
        value = "NaN" if bool(first.loss.isnan()) else "infinite"
        begun = f"the first loss is already {value}"
        told = inputs.not_finite(inputs.labelled(self.data))
        if told:
            self.fail("data", f"{begun}: look at data(): {'; '.join(told)}")
        start = dict(zip(names(first.params), leaves(first.params), strict=True))
        told = inputs.not_finite({f"parameter {name}": leaf for name, leaf in start.items()})
        if told:
            self.fail("initial", f"{begun}: look at initial(): {'; '.join(told)}")
        at = ", ".join(f"{name}={first.point[name]:g}" for name in self.declared.own)
        where = f" (at {at}, and at all else that was tried)" if at else ""
        double = self.double_loss(first.point)
        if math.isfinite(double) and leaves(first.params)[0].dtype != torch.float64:
            self.fail(
                LOSS,
                f"{begun}{where}: it is {double:.3g} in float64, so it is too large for the "
                "parameters' dtype on the way; scale the data, or use dtype=torch.float64 throughout",
            )
        self.fail(
            LOSS,
            f"{begun}{where}, and data() and initial() are finite: look for a division by 0, a root "
            "or logarithm of what is not above 0, or an exp of something large",
        )

    def double_loss(self, point: Mapping[str, float]) -> float:
        """The first loss in float64; NaN where it is not to be had."""
        function = self.doubled_function(point)
        try:
            with torch.no_grad():
                return float(function(cast(self.initial(point), torch.float64))[0])
        except Exception:
            return math.nan

    def doubled_function(self, point: Mapping[str, float]) -> Callable[[Params], Any]:
        """Loss and gradient with data, hyperparameters and the instance's own tensors in float64."""
        try:
            problem = doubled(self.problem)
        except Exception:  # a class of its own mind about copies
            problem = self.problem
        own = self.own(point, torch.float64)
        return lambda params: problem.loss_and_gradient(params, self.double_data, **own)

    def keeps_nothing(self, point: Mapping[str, float]) -> None:
        """What was called before makes no difference, nor does a new instance."""
        first = self.firsts[0]
        own = {name: torch.tensor(point[name]) for name in self.declared.initial}

        def start(problem: Any, seed: int) -> Any:
            with randomness.seeded(4):
                return self.guard("initial", lambda: problem.initial(seed, **own))

        def step(problem: Any, params: Any) -> Any:
            with torch.no_grad(), randomness.seeded(5):
                return self.guard(
                    LOSS, lambda: problem.loss_and_gradient(params, self.data, **first.own)
                )

        result = (first.loss, first.gradient)
        before = randomness.fingerprint(self.problem)
        for problem, why in (
            (self.problem, "it keeps something between calls on self"),
            (self.other, "__init__ makes something else each time, or it keeps something on self"),
        ):
            others = start(problem, 1)
            if not same(first.params, start(problem, 0)):
                self.fail("initial", f"does not give the same for the same seed: {why}; {_FROM_SEED}")
            start(problem, 1)
            step(problem, others)
            if not same(result, step(problem, first.params)):
                self.fail(LOSS, f"does not give the same for the same parameters: {why}; {_PURE}")
        after = randomness.fingerprint(self.problem)
        moved = [name for name in after if before.get(name) != after[name]]
        if moved:
            self.notes.append(
                f"{self.where(LOSS)}: self.{moved[0]} changes with each call; a search traces the "
                "function and calls it a few times only, so nothing may depend on that"
            )

    def is_the_same_later(self) -> None:
        """After many calls, and in another second if it asks for the time, all is as it was."""
        first = self.firsts[0]
        if randomness.tells_time(self.cls):
            randomness.await_next_second()
            self.other = self.another(6)
            self.same("initial", first.params, lambda: self.initial_of(self.other, first.point))
        with torch.no_grad(), randomness.seeded(7):
            for problem in (self.problem, self.other):
                self.same(
                    LOSS,
                    (first.loss, first.gradient),
                    lambda: problem.loss_and_gradient(first.params, self.data, **first.own),  # noqa: B023
                )

    def initial_of(self, problem: Any, point: Mapping[str, float]) -> Any:
        own = {name: torch.tensor(point[name]) for name in self.declared.initial}
        with randomness.seeded(8):
            return problem.initial(0, **own)

    def gradient(self, point: Mapping[str, float]) -> None:
        """Compare the gradient with autograd's and with differences, in float64 where it can be."""
        start = self.initial(point)
        dtype = leaves(start)[0].dtype
        function = self.doubled_function(point)
        in_double = cast(start, torch.float64)
        try:
            with torch.no_grad():
                function(in_double)
            dtype = torch.float64
        except Exception:  # tensors of its own that are not float64: in its own dtype then
            own = self.own(point, dtype)
            function = lambda params: self.problem.loss_and_gradient(params, self.data, **own)  # noqa: E731
        self.notes += GradientCheck(self, function, start, dtype).run()

    def stacked(self, rule: str, points: Sequence[Mapping[str, float]]) -> Work:
        """Run several lanes under vmap and traced; return what a lane's update does.

        Two steps, since after one the rule's state and the parameters are still as they began.
        """
        method = LOSS
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
                LOSS,
                f"{what} is not the same for a lane alone and for a lane among others; "
                "it keeps something between calls or writes in place",
            )


_FIXED = "draw with torch.Generator().manual_seed(0), made where it is drawn from"
_FROM_SEED = "draw with torch.Generator().manual_seed(seed), made in initial(seed)"
_IN_A_STEP = (
    "take all rows in each step (random batches are not available), and draw what is random in "
    "initial(seed), or once in data() with a torch.Generator of a fixed seed"
)
_PURE = "compute it from params, data and hyperparameters alone"


def _finite(leaf: torch.Tensor) -> bool:
    return bool(leaf.isfinite().all())


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
