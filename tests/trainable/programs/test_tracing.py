"""Tracing: what is recorded, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.programs.runs import interpreted
from shoal.trainable.programs.tracing import Tensors, products_of, traced, work_of


def test_what_is_recorded_runs_with_other_tensors() -> None:
    """Also where one tensor was given twice, which must not become one input; a tensor from outside
    is a constant."""
    outside = torch.tensor([1.0, 2.0, 3.0])

    def function(a: torch.Tensor, b: torch.Tensor) -> Tensors:
        largest = torch.max(a, dim=0)
        return a - b + outside, largest.values, largest.indices

    same = torch.zeros(3)
    graph = traced(function, (same, same))
    a, b = torch.tensor([1.0, 5.0, 2.0]), torch.tensor([0.5, 0.5, 0.5])
    for recorded, plain in zip(graph(a, b), function(a, b), strict=True):
        assert torch.equal(recorded, plain)


def test_a_value_that_is_read_cannot_be_recorded() -> None:
    """Under vmap it may be of something that all lanes share: it would be fixed for ever."""
    with pytest.raises(RuntimeError, match=r"calls \.item\(\) on a tensor"):
        traced(lambda a: (a * float(a.sum()),), (torch.ones(3),))


def test_work_counts_what_is_made_and_not_what_is_only_seen_otherwise() -> None:
    """Two lanes of (4, 5) values: a sum, and a product whose operand cannot stay in registers."""
    x = torch.ones(2, 4, 5)
    graph = traced(lambda a: ((a + 1.0).view(8, 5) @ torch.ones(5, 3),), (x,))
    work = work_of(graph, 2)
    assert work.operations >= 2
    assert (work.widest_bytes, work.widest_dense_bytes) == (4 * 20, 4 * 20)
    assert work_of(traced(lambda a: (a + 1.0,), (x,)), 2).widest_dense_bytes == 0


def test_an_operation_has_the_line_that_calls_it() -> None:
    """Through functions of torch; what the backward pass calls has none, and neither has shoal."""

    def of(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(x).sum()

    graph = traced(lambda x: (torch.func.grad(of)(x),), (torch.ones(3),))
    lines = {str(n.target): n.meta["line"] for n in graph.graph.nodes if n.op == "call_function"}
    there = of.__code__.co_firstlineno + 1
    assert lines.pop("aten.softplus.default", f"test_tracing.py:{there}").endswith(f":{there}")
    assert all(not line or line.startswith("test_tracing.py:") for line in lines.values())
    plain = traced(lambda x: (of(x),), (torch.ones(3),))
    (softplus,) = (n for n in plain.graph.nodes if str(n.target) == "aten.softplus.default")
    assert softplus.meta["line"] == f"test_tracing.py:{there}"


def test_a_trace_takes_what_it_has_given() -> None:
    """Whose numbers may lie in another order in memory than when it was traced."""
    graph = traced(lambda a: (a.view(6) + 1.0, a.mT.contiguous().mT * 2.0), (torch.ones(2, 3),))
    run = interpreted(graph)
    _, turned = run([torch.ones(2, 3)])
    assert torch.equal(run([turned])[0], torch.full((6,), 3.0))


def test_what_a_failed_factorisation_gives_is_nan() -> None:
    """Of its lane alone: an inverse, a solution, a complex factor."""
    a = torch.eye(3).repeat(4, 1, 1)
    a[2, 1, 1] = 0.0

    def one(a: torch.Tensor) -> Tensors:
        inverse, solved = torch.linalg.inv(a), torch.linalg.solve(a, a[0])
        return inverse, solved, torch.linalg.cholesky(a.to(torch.complex64)).real

    graph = traced(lambda a: torch.vmap(one)(a), (torch.eye(3).repeat(4, 1, 1),))
    for made in graph(a):
        assert made[2].isnan().all()
        assert not made[[0, 1, 3]].isnan().any()


def test_a_check_of_what_no_factorisation_gave_is_not_recorded() -> None:
    """It would be lost."""
    check = torch.ops.aten._linalg_check_errors.default
    with pytest.raises(RuntimeError, match="in a way that is not recorded"):
        traced(lambda a: (check(a.int(), "mine", is_matrix=False), a), (torch.zeros(2),))


def test_the_multiplications_of_products_are_counted() -> None:
    """Of matrices, stacks of them and vectors, and of convolutions with their gradients."""

    def loss(w: torch.Tensor, v: torch.Tensor, k: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(x.flatten(1) @ w)
        return (h @ v).sum() + torch.nn.functional.conv1d(x, k).square().sum()

    def step(w: torch.Tensor, v: torch.Tensor, k: torch.Tensor, x: torch.Tensor) -> Any:
        return torch.func.grad(loss, (0, 1, 2))(w, v, k, x)

    w, v, k, x = torch.ones(12, 5), torch.ones(5), torch.ones(4, 2, 3), torch.ones(7, 2, 6)
    products = 7 * 12 * 5 * 2 + 7 * 5 * 2  # of w forth and back, of v likewise
    convolutions = 7 * 4 * 4 * 2 * 3 * 3
    found = products_of(traced(step, [w, v, k, x]))
    assert products + convolutions <= found <= products + convolutions + 7 * 5
    assert products_of(traced(lambda w: (w.exp() + 1,), [w])) == 0
