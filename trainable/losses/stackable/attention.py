"""Attention by its parts: torch's own functions are called for one fit after the other.

    query         shape (..., L, E)
    key, value    shapes (..., S, E) and (..., S, V)
    attn_mask     shape (..., L, S): True, or a number to be added, where a key takes part

softmax(query keyᵀ scale + mask) value, as torch.nn.functional.scaled_dot_product_attention has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it

Drop = Callable[[torch.Tensor, float], torch.Tensor]
"""Given numbers and the probability: some of them dropped, at random."""


def attention(
    drop: Drop,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Return the attention, of shape (..., L, V), as ``F.scaled_dot_product_attention`` does.

    Raises:
        ValueError: a mask is given, and that it is causal.
    """
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: attn_mask and is_causal are both given")
        places = query.size(-2), key.size(-2)
        attn_mask = torch.ones(places, dtype=torch.bool, device=query.device).tril()
    if enable_gqa:
        groups = query.size(-3) // key.size(-3)
        key, value = (part.repeat_interleave(groups, -3) for part in (key, value))
    factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    weights = _weights(query @ key.transpose(-2, -1) * factor, attn_mask)
    return (drop(weights, dropout_p) if dropout_p else weights) @ value


def _weights(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The share of each key; 0 of all, where none may take part."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    if mask.dtype != torch.bool:
        return torch.softmax(scores + mask, dim=-1)
    none = ~mask.any(dim=-1, keepdim=True)
    scores = scores.masked_fill(~mask, -math.inf).masked_fill(none, 0.0)
    return torch.softmax(scores, dim=-1).masked_fill(none, 0.0)


def adds_keys(*args: Any, **given: Any) -> bool:
    """Whether, called so, ``F.multi_head_attention_forward`` adds keys and values to those given,
    or takes some as they are."""
    added = [
        *args[7:9],
        *(given.get(name) for name in ("bias_k", "bias_v", "static_k", "static_v")),
    ]
    zero = args[9] if len(args) > 9 else given.get("add_zero_attn")
    return bool(zero) or any(one is not None for one in added)


def multi_head(
    drop: Drop,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: torch.Tensor | None,
    in_proj_bias: torch.Tensor | None,
    bias_k: None,
    bias_v: None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: torch.Tensor,
    out_proj_bias: torch.Tensor | None,
    training: bool = True,
    key_padding_mask: torch.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: torch.Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: torch.Tensor | None = None,
    k_proj_weight: torch.Tensor | None = None,
    v_proj_weight: torch.Tensor | None = None,
    static_k: None = None,
    static_v: None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return what ``F.multi_head_attention_forward`` returns, of the same arguments."""
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: is_causal needs attn_mask")
    alone = query.dim() == 2
    if alone:
        query, key, value = (part.unsqueeze(1) for part in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
    if in_proj_weight is not None and not use_separate_proj_weight:
        weights = in_proj_weight.chunk(3)
    biases: Any = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
    given = zip((query, key, value), weights, biases, strict=True)
    q, k, v = (_heads(F.linear(*part), num_heads) for part in given)
    mask = _joined(_out(attn_mask, num_heads), _padding(key_padding_mask), q.dtype)
    shares = _weights(q @ k.transpose(-2, -1) / math.sqrt(q.size(-1)), mask)
    if dropout_p and training:
        shares = drop(shares, dropout_p)
    made = (shares @ v).permute(2, 0, 1, 3).flatten(2)
    made = F.linear(made, out_proj_weight, out_proj_bias)
    if average_attn_weights:
        shares = shares.mean(dim=1)
    if alone:
        made, shares = made.squeeze(1), shares.squeeze(0)
    return made, shares if need_weights else None


def _heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Numbers of shape (L, n, E) as (n, heads, L, E / heads)."""
    length, rows, width = x.shape
    return x.reshape(length, rows, heads, width // heads).permute(1, 2, 0, 3)


def _out(mask: torch.Tensor | None, heads: int) -> torch.Tensor | None:
    """Of shape (L, S), or (n heads, L, S), True where a key takes no part: with axes of rows and
    heads."""
    if mask is None or mask.dim() == 2:
        return mask
    return mask.reshape(-1, heads, *mask.shape[1:])


def _padding(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Of shape (n, S), likewise."""
    return None if mask is None else mask[:, None, None, :]


def _joined(
    one: torch.Tensor | None, other: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor | None:
    """Both masks as one: True where a key takes part; numbers to be added, if one of them is."""
    masks = [mask for mask in (one, other) if mask is not None]
    if all(mask.dtype == torch.bool for mask in masks):
        return ~(masks[0] if len(masks) == 1 else masks[0] | masks[1]) if masks else None
    added = [
        torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)
        if mask.dtype == torch.bool
        else mask
        for mask in masks
    ]
    return added[0] if len(added) == 1 else added[0] + added[1]
