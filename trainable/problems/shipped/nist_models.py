"""The models of NIST's nonlinear regressions, each with its derivatives by hand.

    x      shape (n,)   predictor
    b      k tensors    parameters b1 ... bk, each of shape ()
    f      shape (n,)   the model's value
    ∂f/∂b  k tensors    its derivatives, each of shape (n,)

Source: the section "Model" of each file of NIST/ITL StRD,
https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch

Valued = tuple[torch.Tensor, tuple[torch.Tensor, ...]]
"""A model's value and its derivatives."""
Model = Callable[[Sequence[torch.Tensor], torch.Tensor], Valued]


def _rise(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 (1 - exp(-b2 x))
    b1, b2 = b
    e = torch.exp(-b2 * x)
    return b1 * (1 - e), (1 - e, b1 * x * e)


def _misra1b(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 (1 - u⁻²),  u = 1 + b2 x / 2
    b1, b2 = b
    u = 1 + b2 * x / 2
    s = 1 - u**-2
    return b1 * s, (s, b1 * x / u**3)


def _misra1c(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 (1 - u^(-1/2)),  u = 1 + 2 b2 x
    b1, b2 = b
    u = 1 + 2 * b2 * x
    root = torch.rsqrt(u)
    return b1 * (1 - root), (1 - root, b1 * x * root / u)


def _misra1d(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 b2 x / u,  u = 1 + b2 x
    b1, b2 = b
    u = 1 + b2 * x
    s = b2 * x / u
    return b1 * s, (s, b1 * x / u**2)


def _chwirut(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = exp(-b1 x) / d,  d = b2 + b3 x
    b1, b2, b3 = b
    d = b2 + b3 * x
    f = torch.exp(-b1 * x) / d
    return f, (-x * f, -f / d, -x * f / d)


def _lanczos(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 exp(-b2 x) + b3 exp(-b4 x) + b5 exp(-b6 x)
    b1, b2, b3, b4, b5, b6 = b
    e2, e4, e6 = torch.exp(-b2 * x), torch.exp(-b4 * x), torch.exp(-b6 * x)
    f = b1 * e2 + b3 * e4 + b5 * e6
    return f, (e2, -b1 * x * e2, e4, -b3 * x * e4, e6, -b5 * x * e6)


def _gauss(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 exp(-b2 x) + b3 exp(-u²) + b6 exp(-v²),  u = (x - b4) / b5,  v = (x - b7) / b8
    b1, b2, b3, b4, b5, b6, b7, b8 = b
    u, v = (x - b4) / b5, (x - b7) / b8
    e, p, q = torch.exp(-b2 * x), torch.exp(-u * u), torch.exp(-v * v)
    # ∂p/∂b4 = 2 u p / b5,  ∂p/∂b5 = 2 u² p / b5, and so for q
    p4, q7 = 2 * b3 * u * p / b5, 2 * b6 * v * q / b8
    return b1 * e + b3 * p + b6 * q, (e, -b1 * x * e, p, p4, u * p4, q, q7, v * q7)


def _danwood(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 x^b2
    b1, b2 = b
    log = torch.log(x)
    p = torch.exp(b2 * log)
    return b1 * p, (p, b1 * p * log)


def _kirby2(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = (b1 + b2 x + b3 x²) / d,  d = 1 + b4 x + b5 x²
    b1, b2, b3, b4, b5 = b
    x2 = x * x
    d = 1 + b4 * x + b5 * x2
    f = (b1 + b2 * x + b3 * x2) / d
    return f, (1 / d, x / d, x2 / d, -f * x / d, -f * x2 / d)


def _cubics(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = (b1 + b2 x + b3 x² + b4 x³) / d,  d = 1 + b5 x + b6 x² + b7 x³
    b1, b2, b3, b4, b5, b6, b7 = b
    x2, x3 = x * x, x * x * x
    d = 1 + b5 * x + b6 * x2 + b7 * x3
    f = (b1 + b2 * x + b3 * x2 + b4 * x3) / d
    return f, (1 / d, x / d, x2 / d, x3 / d, -f * x / d, -f * x2 / d, -f * x3 / d)


def _mgh09(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 s,  s = (x² + b2 x) / d,  d = x² + b3 x + b4
    b1, b2, b3, b4 = b
    d = x * x + b3 * x + b4
    s = (x * x + b2 * x) / d
    f = b1 * s
    return f, (s, b1 * x / d, -f * x / d, -f / d)


def _mgh10(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 exp(b2 u),  u = 1 / (x + b3)
    b1, b2, b3 = b
    u = 1 / (x + b3)
    e = torch.exp(b2 * u)
    f = b1 * e
    return f, (e, f * u, -f * b2 * u * u)


def _mgh17(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 + b2 exp(-b4 x) + b3 exp(-b5 x)
    b1, b2, b3, b4, b5 = b
    p, q = torch.exp(-b4 * x), torch.exp(-b5 * x)
    return b1 + b2 * p + b3 * q, (torch.ones_like(x), p, q, -b2 * x * p, -b3 * x * q)


def _roszman1(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 - b2 x - arctan(b3 / u) / π,  u = x - b4
    b1, b2, b3, b4 = b
    u = x - b4
    d = math.pi * (u * u + b3 * b3)
    f = b1 - b2 * x - torch.atan(b3 / u) / math.pi
    return f, (torch.ones_like(x), -x, -u / d, -b3 / d)


def _enso(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 + b2 cos w + b3 sin w + b5 cos u + b6 sin u + b8 cos v + b9 sin v
    # w = 2π x / 12,  u = 2π x / b4,  v = 2π x / b7
    b1, b2, b3, b4, b5, b6, b7, b8, b9 = b
    turn = 2 * math.pi * x
    cw, sw = torch.cos(turn / 12), torch.sin(turn / 12)
    u, v = turn / b4, turn / b7
    cu, su, cv, sv = torch.cos(u), torch.sin(u), torch.cos(v), torch.sin(v)
    f = b1 + b2 * cw + b3 * sw + b5 * cu + b6 * su + b8 * cv + b9 * sv
    # ∂u/∂b4 = -u / b4
    f4, f7 = (b5 * su - b6 * cu) * u / b4, (b8 * sv - b9 * cv) * v / b7
    return f, (torch.ones_like(x), cw, sw, f4, cu, su, f7, cv, sv)


def _rat42(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 s,  s = 1 / (1 + exp(-z)),  z = b3 x - b2,  ∂s/∂z = s (1 - s)
    b1, b2, b3 = b
    s = torch.sigmoid(b3 * x - b2)
    f = b1 * s
    fz = f * (1 - s)
    return f, (s, -fz, x * fz)


def _rat43(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 p,  p = u^(-1/b4),  u = 1 + exp(z),  z = b2 - b3 x,  ∂log u/∂z = 1 - 1/u
    b1, b2, b3, b4 = b
    u = 1 + torch.exp(b2 - b3 * x)
    log = torch.log(u)
    p = torch.exp(-log / b4)
    f = b1 * p
    fz = f * (1 - 1 / u) / b4
    return f, (p, -fz, x * fz, f * log / (b4 * b4))


def _eckerle4(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = (b1 / b2) exp(-z² / 2),  z = (x - b3) / b2
    b1, b2, b3 = b
    z = (x - b3) / b2
    e = torch.exp(-z * z / 2) / b2
    f = b1 * e
    return f, (e, f * (z * z - 1) / b2, f * z / b2)


def _bennett5(b: Sequence[torch.Tensor], x: torch.Tensor) -> Valued:
    # f = b1 p,  p = u^(-1/b3),  u = b2 + x
    b1, b2, b3 = b
    u = b2 + x
    log = torch.log(u)
    p = torch.exp(-log / b3)
    f = b1 * p
    return f, (p, -f / (b3 * u), f * log / (b3 * b3))


MODELS: Mapping[str, Model] = {
    "Bennett5": _bennett5,
    "BoxBOD": _rise,
    "Chwirut1": _chwirut,
    "Chwirut2": _chwirut,
    "DanWood": _danwood,
    "ENSO": _enso,
    "Eckerle4": _eckerle4,
    "Gauss1": _gauss,
    "Gauss2": _gauss,
    "Gauss3": _gauss,
    "Hahn1": _cubics,
    "Kirby2": _kirby2,
    "Lanczos1": _lanczos,
    "Lanczos2": _lanczos,
    "Lanczos3": _lanczos,
    "MGH09": _mgh09,
    "MGH10": _mgh10,
    "MGH17": _mgh17,
    "Misra1a": _rise,
    "Misra1b": _misra1b,
    "Misra1c": _misra1c,
    "Misra1d": _misra1d,
    "Rat42": _rat42,
    "Rat43": _rat43,
    "Roszman1": _roszman1,
    "Thurber": _cubics,
}
"""The model of each data set."""
