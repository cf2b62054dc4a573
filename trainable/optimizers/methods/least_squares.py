"""Damped linear least squares, by a QR decomposition that torch.vmap stacks and a trace holds.

    A    shape (n, p)   matrix
    b    shape (n,)     right-hand side
    μ    shape ()       damping, positive
    z    shape (p,)     what minimises |A z + b|² + μ |z|²

The normal equations would square the condition number of A. Modified Gram-Schmidt, with b as one
more column, is as accurate for z as Householder's method (Björck 1967; Björck 1996, section
2.4.4), and is made of products and sums alone: no matrix is singular, no number of one fit depends
on how many are stacked, and what is not finite stays so.
"""

from __future__ import annotations

import torch


def damped(matrix: torch.Tensor, right: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
    """Return z, shape (p,)."""
    p = matrix.shape[1]
    eye = torch.eye(p, dtype=matrix.dtype, device=matrix.device)
    # | A   |       | b |
    # | √μ I| z  +  | 0 |
    upper = torch.cat([matrix, right.unsqueeze(1)], 1)
    lower = torch.cat([torch.sqrt(damping) * eye, torch.zeros_like(eye[:, :1])], 1)
    left = torch.cat([upper, lower])
    norms, rows = [], []
    for _ in range(p):
        # R[k,k] = |a|,  q = a / R[k,k],  R[k,j] = q · aⱼ,  aⱼ ← aⱼ - R[k,j] q
        first, left = left[:, 0], left[:, 1:]
        norm = torch.sqrt((first * first).sum())
        q = (first / norm).unsqueeze(1)
        row = (q * left).sum(0)
        left = left - q * row
        norms.append(norm)
        rows.append(row)
    found: list[torch.Tensor] = []
    for norm, row in zip(reversed(norms), reversed(rows), strict=True):
        # R z = -c, from the last row to the first
        rest = row[-1]
        for j, z in enumerate(found):
            rest = rest + row[j] * z
        found.insert(0, -rest / norm)
    return torch.stack(found)
