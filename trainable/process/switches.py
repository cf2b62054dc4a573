"""The global settings of torch and numpy that change numbers or turn them into errors."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from shoal.trainable.private import default_device

numpy: Any = None
with suppress(ImportError):  # a problem may draw its data by it; nothing else here needs it
    numpy = importlib.import_module("numpy")

backends: Any = torch.backends


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: how it is read and written, and its value in a fresh process.

    Attributes:
        fresh: its value in a fresh process.
        own: whether each thread has its own.
    """

    fresh: Any
    get: Callable[[], Any]
    set: Callable[[Any], object]
    own: bool = False


def _attribute(path: str, fresh: Any) -> Setting:
    """An attribute of ``torch.backends``; always `fresh` where this version of torch lacks it."""
    place, _, name = path.rpartition(".")

    def holder() -> Any:
        parts = place.split(".") if place else []
        return functools.reduce(lambda at, part: getattr(at, part, None), parts, backends)

    return Setting(
        fresh=fresh,
        get=lambda: getattr(holder(), name, fresh),
        set=lambda to: setattr(holder(), name, to),
    )


_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}

SETTINGS: dict[str, Setting] = {
    "default dtype": Setting(
        fresh=torch.float32, get=torch.get_default_dtype, set=torch.set_default_dtype
    ),
    "deterministic": Setting(
        fresh=(False, False),
        get=lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        set=lambda to: torch.use_deterministic_algorithms(to[0], warn_only=to[1]),
    ),
    "anomalies": Setting(
        fresh=(False, True),
        get=lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        set=lambda to: torch.set_anomaly_enabled(*to),
    ),
    "mkldnn": _attribute("mkldnn.enabled", True),
    "mkldnn deterministic": _attribute("mkldnn.deterministic", False),
    "cudnn": _attribute("cudnn.enabled", True),
    "cudnn benchmark": _attribute("cudnn.benchmark", False),
    "cudnn deterministic": _attribute("cudnn.deterministic", False),
    "precision": _attribute("fp32_precision", "none"),
    "precision, cuda": _attribute("cuda.matmul.fp32_precision", "none"),
    "precision, cudnn": _attribute("cudnn.fp32_precision", "none"),
    "precision, cudnn conv": _attribute("cudnn.conv.fp32_precision", "tf32"),
    "precision, cudnn rnn": _attribute("cudnn.rnn.fp32_precision", "tf32"),
    "precision, mkldnn": _attribute("mkldnn.fp32_precision", "none"),
    "precision, mkldnn matmul": _attribute("mkldnn.matmul.fp32_precision", "none"),
    "precision, mkldnn conv": _attribute("mkldnn.conv.fp32_precision", "none"),
    "precision, mkldnn rnn": _attribute("mkldnn.rnn.fp32_precision", "none"),
    "default device": Setting(
        fresh=None, get=default_device, set=torch.set_default_device, own=True
    ),
    "gradients": Setting(
        fresh=True, get=torch.is_grad_enabled, set=torch.set_grad_enabled, own=True
    ),
    "autocast, cpu": Setting(
        fresh=False,
        get=lambda: torch.is_autocast_enabled("cpu"),
        set=lambda to: torch.set_autocast_enabled("cpu", to),
        own=True,
    ),
    "autocast, cuda": Setting(
        fresh=False,
        get=lambda: torch.is_autocast_enabled("cuda"),
        set=lambda to: torch.set_autocast_enabled("cuda", to),
        own=True,
    ),
    "denormals are zero": Setting(
        # there is no function that tells it: halve the least normal number
        fresh=False,
        get=lambda: sys.float_info.min * 0.5 == 0.0,
        set=torch.set_flush_denormal,
        own=True,
    ),
    "numpy's errors": Setting(
        fresh=_NUMPY_ERRORS,
        get=lambda: numpy.geterr() if numpy else _NUMPY_ERRORS,
        set=lambda to: numpy.seterr(**to),
        own=True,
    ),
}
"""All that can change a number, or end a fit that would not end."""
