"""Attention by its parts beside torch's own functions, and with numbers dropped by counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from torch import nn

from shoal.trainable.losses import key_of
from shoal.trainable.losses.stackable import Functions
from shoal.trainable.losses.stackable.dropout import mask

N, HEADS, L, S, E, V = 2, 3, 5, 7, 4, 6


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def no_key_of_one_query() -> torch.Tensor:
    taken = normal(L, S) > 0
    taken[2] = False
    return taken


ALONE: dict[str, dict[str, Any]] = {
    "as it is": {},
    "causal": {"is_causal": True},
    "another scale": {"scale": 0.3},
    "which keys": {"attn_mask": no_key_of_one_query()},
    "numbers added": {"attn_mask": normal(N, 1, L, S)},
}


@pytest.mark.parametrize("name", ALONE)
def test_an_attention_is_that_of_torch(name: str) -> None:
    q, k, v = normal(N, HEADS, L, E), normal(N, HEADS, S, E, seed=1), normal(N, HEADS, S, V, seed=2)
    expected = F.scaled_dot_product_attention(q, k, v, **ALONE[name])
    with Functions():
        found = F.scaled_dot_product_attention(q, k, v, **ALONE[name])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_queries_of_several_heads_may_have_keys_in_common() -> None:
    q, k, v = normal(N, 4, L, E), normal(N, 2, S, E, seed=1), normal(N, 2, S, V, seed=2)
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    with Functions():
        found = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def some_out(*shape: int) -> torch.Tensor:
    """True where a key takes no part, never of all."""
    out = normal(*shape, seed=5) > 0.5
    out[..., 0] = False
    return out


MODULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "no weights": ({}, {"need_weights": False}),
    "weights of each head": ({}, {"average_attn_weights": False}),
    "without biases": ({"bias": False}, {"need_weights": False}),
    "other widths": ({"kdim": 5, "vdim": 3}, {}),
    "time first": ({"batch_first": False}, {}),
    "padding": ({}, {"key_padding_mask": some_out(N, S), "need_weights": False}),
    "which keys": ({}, {"attn_mask": some_out(L, S), "need_weights": False}),
    "which keys of each head": ({}, {"attn_mask": some_out(N * 2, L, S)}),
    "numbers added": ({}, {"attn_mask": normal(L, S), "key_padding_mask": some_out(N, S)}),
    "both masks": ({}, {"attn_mask": some_out(L, S), "key_padding_mask": some_out(N, S)}),
    "causal": (
        {},
        {"attn_mask": torch.ones(L, S, dtype=torch.bool).triu(1), "is_causal": True},
    ),
    "keys added": ({"add_bias_kv": True, "add_zero_attn": True}, {}),
}


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_attentions_is_that_of_torch(name: str) -> None:
    """What it gives, weights too, and its gradients."""
    how, given = MODULES[name]
    how = {"batch_first": True, **how}
    torch.manual_seed(3)
    module = nn.MultiheadAttention(E, 2, dtype=torch.float64, **how)
    q, k = normal(N, L, E), normal(N, S, how.get("kdim", E), seed=1)
    v = normal(N, S, how.get("vdim", E), seed=2)
    if not how["batch_first"]:
        q, k, v = (part.transpose(0, 1) for part in (q, k, v))
    results = []
    for ours in (False, True):
        if ours:
            with Functions():
                made, weights = module(q, k, v, **given)
        else:
            made, weights = module(q, k, v, **given)
        gradients = torch.autograd.grad(made.square().sum(), list(module.parameters()))
        results.append([made, *([] if weights is None else [weights]), *gradients])
    assert len(results[0]) == len(results[1])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_sequence_alone_has_no_axis_of_rows() -> None:
    module = nn.MultiheadAttention(E, 2, dtype=torch.float64)
    x, out = normal(L, E), some_out(L)
    expected = module(x, x, x, key_padding_mask=out)
    with Functions():
        found = module(x, x, x, key_padding_mask=out)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("by_module", [False, True])
def test_shares_are_dropped_by_counter(by_module: bool) -> None:
    """In training alone; each call draws a mask of its own."""
    p, key, step = 0.4, key_of(torch.tensor(11)), torch.tensor(3.0)
    x = normal(N, L, E)
    module = nn.MultiheadAttention(E, 1, dropout=p, batch_first=True, dtype=torch.float64)
    q, k, v = (
        (F.linear(x, w, b) if by_module else x).unsqueeze(1)
        for w, b in zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True)
    )
    shares = torch.softmax(q @ k.transpose(-2, -1) / E**0.5, dim=-1)
    with Functions(key, step):
        for call in (1, 2):
            kept = mask(key, step, call, shares.shape, p)
            expected = (torch.where(kept, shares / (1 - p), 0.0) @ v).squeeze(1)
            if by_module:
                expected = module.out_proj(expected)
                found = module(x, x, x)[0]
            else:
                found = F.scaled_dot_product_attention(q, k, v, dropout_p=p).squeeze(1)
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    module.eval()
    with Functions():
        assert torch.equal(module(x, x, x)[0], module(x, x, x)[0])
