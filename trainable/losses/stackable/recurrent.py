"""Recurrent layers by their parts: torch's own cannot be stacked outside of training.

    x     shape (time, rows, inputs)     what goes in
    h, c  shape (rows, hidden)           the hidden state, and an LSTM's cell
    w, u  shapes (gates hidden, inputs) and (gates hidden, hidden); b their biases

Formulas and the order of gates are those of torch.nn.LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from shoal.trainable.errors import ContractError

State = tuple[torch.Tensor, ...]
"""h, and of an LSTM c."""

Weights = Sequence[torch.Tensor]
"""w, u, and where there are biases b of either; of an LSTM with a projection, that comes last."""

Drop = Callable[[torch.Tensor, float], torch.Tensor]

Cell = Callable[[torch.Tensor, State, Weights, bool], State]


def _gates(x: torch.Tensor, h: torch.Tensor, weights: Weights, bias: bool) -> tuple[Any, Any]:
    """What comes of x and of h, before any function."""
    own = torch.nn.functional.linear(x, weights[0], weights[2] if bias else None)
    fed = torch.nn.functional.linear(h, weights[1], weights[3] if bias else None)
    return own, fed


def _lstm(x: torch.Tensor, state: State, weights: Weights, bias: bool) -> State:
    own, fed = _gates(x, state[0], weights, bias)
    i, f, g, o = (own + fed).chunk(4, 1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    if len(weights) > (4 if bias else 2):
        h = torch.nn.functional.linear(h, weights[-1])
    return h, c


def _gru(x: torch.Tensor, state: State, weights: Weights, bias: bool) -> State:
    own, fed = _gates(x, state[0], weights, bias)
    (r, z, n), (r_fed, z_fed, n_fed) = own.chunk(3, 1), fed.chunk(3, 1)
    reset, update = torch.sigmoid(r + r_fed), torch.sigmoid(z + z_fed)
    new = torch.tanh(n + reset * n_fed)
    return ((1 - update) * new + update * state[0],)


def _rnn(function: Callable[[torch.Tensor], torch.Tensor]) -> Cell:
    def cell(x: torch.Tensor, state: State, weights: Weights, bias: bool) -> State:
        own, fed = _gates(x, state[0], weights, bias)
        return (function(own + fed),)

    return cell


def _layers(cell: Cell, drop: Drop, *given: Any) -> tuple[torch.Tensor, ...]:
    """Run all layers: outputs, and the last states of each layer and direction.

    Args:
        drop: given what one layer gives the next, and the probability: some of it dropped.
        given: as ``torch.lstm`` and its kin take them: input, states, weights, has biases, layers,
            dropout, training, both directions, rows first.

    Raises:
        ContractError: the input is packed.
    """
    if len(given) != 9 or not isinstance(given[3], bool):
        raise ContractError("a packed sequence cannot be stacked; pad it, and mask the loss")
    x, begun, weights, bias, layers, dropout, training, both, rows_first = given
    begun = begun if isinstance(begun, (tuple, list)) else (begun,)
    directions = 2 if both else 1
    each = len(weights) // (layers * directions)
    x = x.transpose(0, 1) if rows_first else x
    ends: list[State] = []
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            which = layer * directions + direction
            state = tuple(part[which] for part in begun)
            own = weights[which * each : (which + 1) * each]
            made = []
            times = range(len(x))
            for time in reversed(times) if direction else times:
                state = cell(x[time], state, own, bias)
                made.append(state[0])
            outputs.append(torch.stack(made[::-1] if direction else made))
            ends.append(state)
        x = torch.cat(outputs, 2) if both else outputs[0]
        if dropout and training and layer + 1 < layers:
            x = drop(x, dropout)
    x = x.transpose(0, 1) if rows_first else x
    return (x, *(torch.stack(part) for part in zip(*ends, strict=True)))


def _of(cell: Cell) -> Callable[..., tuple[torch.Tensor, ...]]:
    return lambda drop, *given: _layers(cell, drop, *given)


BY_PARTS: Mapping[Any, Callable[..., tuple[torch.Tensor, ...]]] = {
    torch.lstm: _of(_lstm),
    torch.gru: _of(_gru),
    torch.rnn_tanh: _of(_rnn(torch.tanh)),
    torch.rnn_relu: _of(_rnn(torch.relu)),
}
"""Functions of torch, and the same by parts: given what drops numbers, then torch's arguments."""
