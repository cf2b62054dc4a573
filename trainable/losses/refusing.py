"""Modules that cannot be stacked, and what to do about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def refusal(module: nn.Module) -> str | None:
    """Return why a module cannot be called for many fits at once, by the name of its part.

    None: nothing is known against it.
    """
    for name, part in module.named_modules():
        told = _told(part)
        if told is not None:
            called = f"{name} ({type(part).__name__})" if name else type(part).__name__
            return f"{called} {told}"
    dtypes = {str(p.dtype).removeprefix("torch.") for p in module.parameters()}
    if len(dtypes) > 1:
        return f"the parameters have several dtypes ({', '.join(sorted(dtypes))}); give them one"
    return None


def _told(part: nn.Module) -> str | None:
    if any(isinstance(p, nn.UninitializedParameter) for p in part.parameters(recurse=False)):
        return "is lazy: its shapes are not known before it is called; give them"
    if any(getattr(part, hooks, None) for hooks in _HOOKS) and not _is_parametrized(part):
        return "has hooks, which would see many fits at once; call what they do in forward()"
    for kinds, why in _KINDS.items():
        if isinstance(part, kinds) and (told := why(part)):
            return told
    return None


def _is_parametrized(part: nn.Module) -> bool:
    return torch.nn.utils.parametrize.is_parametrized(part)


def _of_batchnorm(part: nn.Module) -> str | None:
    if isinstance(part, nn.SyncBatchNorm):
        return "shares its numbers among processes; use BatchNorm"
    if getattr(part, "track_running_stats", False) and part.momentum is None:
        return "counts its batches (momentum=None), which cannot be stacked; give a momentum"
    return None


def _of_added_keys(part: nn.Module) -> str | None:
    adds = part.bias_k is not None or part.add_zero_attn
    if not (part.dropout and adds):
        return None
    return (
        "draws masks of its own (dropout) of keys that it adds, which cannot be repeated; give "
        "dropout=0.0, or add none"
    )


def _of_random(part: nn.Module) -> str | None:
    return "draws random numbers, which cannot be repeated; use Dropout, or leave it out"


_KINDS: Mapping[tuple[type[nn.Module], ...], Callable[[nn.Module], str | None]] = {
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm): _of_batchnorm,
    (nn.MultiheadAttention,): _of_added_keys,
    (nn.RReLU, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.FractionalMaxPool2d): _of_random,
}
"""Kinds of modules, and why one of them cannot be stacked."""
