"""The targets that there are. A new one is a folder beside ``cpp/``, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.trainable.fused.cpp import CPP
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.target import Target

TARGETS: Mapping[str, Target] = {target.name: target for target in (CPP,)}
"""Every target by its name."""


def target_of(device: str) -> Target:
    """Return the target for a type of torch's devices, as ``cpu``.

    Raises:
        NotLowered: there are no kernels for it.
    """
    for target in TARGETS.values():
        if target.device == device:
            return target
    raise NotLowered(f"there are no fused kernels for {device}")
