"""A training loop of PyTorch that goes on where it was: shoal run examples/loop.py:train."""

import torch
from torch import nn


def train(lr, width=16, *, seed=0, checkpoint):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(256, 2, generator=generator)
    y = torch.sin(6 * x[:, :1]) * x[:, 1:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    file, first = checkpoint / "state.pt", 0
    if file.exists():  # an earlier attempt was interrupted
        state = torch.load(file)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"] + 1
    for epoch in range(first, 20):
        for rows in torch.arange(256).split(32):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(states, file)
        yield {"step": epoch, "loss": nn.functional.mse_loss(model(x), y).item()}


train.space = {"lr": "1e-4:1e-1:log", "width": [8, 16, 32]}
