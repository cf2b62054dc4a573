"""Modules of torch.nn in minibatches, as they are written: small ones, and ones of the usual sizes.

x, y     inputs, as each has them; (n,) one of ten classes
L        shape ()    cross entropy of the module's output, in training mode; the last of all rows,
                     in evaluation mode

Series             256 of 20 x 4, batches of 16: LSTM of 8, linear 8-10
Attention          the same: linear 4-8, an encoder layer of 2 heads and 16 inner units, mean, 8-10
Normed             256 of 20, batches of 16: linear 20-16, batch norm, relu, 16-10
Images             256 of 1 x 12 x 12, batches of 16: twice 3 x 3, relu, largest of 2 x 2; 8-10
Residual           256 of 3 x 8 x 8, batches of 16: two blocks, one with strides, mean, linear 8-10
LargeNet           2,048 of 784, batches of 128: 784-256-128-10, relu
LargeImages        512 of 1 x 28 x 28, batches of 64: as Images, of 16 and 32 channels
"""

import torch
import torch.nn.functional as F
from loops import batches, descend, sgd
from torch import nn

CLASSES = 10


class Problem:
    space = {"lr": "1e-3:3e-2:log", "momentum": "0:0.9"}
    batch = 16
    rows, inputs = 256, (20, 4)

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(self.rows, *self.inputs, generator=generator)
        return {"x": x, "y": torch.randint(0, CLASSES, (self.rows,), generator=generator)}

    def loss(self, predict, data):
        return F.cross_entropy(predict(data["x"]), data["y"])


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.out = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.out(self.cells(x)[0][:, -1])


class Series(Problem):
    def module(self):
        return Last()


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(4, 8), nn.Linear(8, CLASSES)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x):
        return self.out(self.layer(self.into(x)).mean(1))


class Attention(Problem):
    def module(self):
        return Encoder()


class Normed(Problem):
    inputs = (20,)

    def module(self):
        return nn.Sequential(
            nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES)
        )


def images(first, second, inputs):
    return nn.Sequential(
        nn.Conv2d(1, first, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(inputs, CLASSES),
    )


class Images(Problem):
    inputs = (1, 12, 12)

    def module(self):
        return images(4, 8, 8)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.two = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.beside = nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, x):
        return torch.relu(self.two(torch.relu(self.one(x))) + self.beside(x))


class Residual(Problem):
    inputs = (3, 8, 8)

    def module(self):
        return nn.Sequential(
            Block(3, 4, 1),
            Block(4, 8, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, CLASSES),
        )


class LargeNet(Problem):
    rows, inputs, batch = 2048, (784,), 128

    def module(self):
        return nn.Sequential(
            nn.Linear(784, 256),
            nn.ReLU(),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Linear(128, CLASSES),
        )


class LargeImages(Problem):
    rows, inputs, batch = 512, (1, 28, 28), 64

    def module(self):
        return images(16, 32, 800)


def trained(problem, seed, steps, report, lr, momentum):
    x, y = problem.data().values()
    torch.manual_seed(seed)
    module, rows = problem.module(), batches(len(x), problem.batch)

    def gradient(params, wanted, step):
        which = rows.at(seed, step)
        loss = F.cross_entropy(module(x[which]), y[which])
        return loss.detach(), torch.autograd.grad(loss, params)

    losses = descend(gradient, list(module.parameters()), sgd(lr, momentum), steps, report)
    module.eval()
    with torch.no_grad():
        return [*losses, float(F.cross_entropy(module(x), y))]
