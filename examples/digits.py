"""A net that tells handwritten digits: a module, minibatches, dropout and noise.

shoal run examples/digits.py:Net --trials 64 --epochs 20 --out runs/digits
python examples/digits.py runs/digits
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

IMAGES = load_digits()  # 1,797 rows of 8 x 8 pixels from 0 to 16, and the digit of each

# Of each digit a fifth is to judge by, and a fifth for afterwards: no search sees these rows.
REST, TEST = train_test_split(range(1797), test_size=0.2, stratify=IMAGES.target, random_state=0)
TRAIN, VALIDATION = train_test_split(
    REST, test_size=0.25, stratify=IMAGES.target[REST], random_state=0
)


def rows(part):
    return {
        "x": torch.tensor(IMAGES.data[part], dtype=torch.float32) / 16,
        "y": torch.tensor(IMAGES.target[part]),
    }


class Net:
    space = {
        "lr": "1e-3:1e-1:log",
        "l2": "1e-6:1e-2:log",
        "sigma": "1e-2:1:log",
        "optimizer": "adam",
    }
    objective = "accuracy:max"
    inputs = tuple(IMAGES.feature_names)  # the columns of a table to predict for
    stratify = "y"  # with folds, each part has the same share of each digit
    batch = 128  # rows of each update

    def __init__(self, width=32, dropout=0.1):
        self.width, self.dropout = width, dropout

    def data(self):
        return rows(TRAIN)

    def validation(self):
        return rows(VALIDATION)

    # Called with torch's generators seeded by the fit's seed.
    def module(self):
        return nn.Sequential(
            nn.Linear(64, self.width),
            nn.Tanh(),
            nn.Dropout(self.dropout),
            nn.Linear(self.width, 10),
        )

    # Drawn for each update; the last batch of an epoch is smaller and takes a part of it.
    def noise(self, seed, step):
        generator = torch.Generator().manual_seed(1_000_000 * seed + step)
        return torch.randn(self.batch, 64, generator=generator)

    # Each image is blurred by noise that fades; there is none for the loss over all rows.
    def loss(self, predict, data, l2=0.0, sigma=0.1, step=None, noise=None):
        x = data["x"]
        if noise is not None:
            x = x + sigma * torch.exp(-step / 50) * noise[: len(x)]
        penalty = sum(w.square().sum() for w in predict.parameters.values() if w.dim() > 1)
        return F.cross_entropy(predict(x), data["y"]) + l2 * penalty

    def metrics(self, predict, validation):
        z = predict(validation["x"])
        return {
            "validation_loss": F.cross_entropy(z, validation["y"]),
            "accuracy": (z.argmax(dim=1) == validation["y"]).float().mean(),
        }

    # The digit of each row of x, which has the pixels as the file has them.
    def predict(self, predict, x):
        return predict(x / 16).argmax(dim=1)


if __name__ == "__main__":
    import shoal

    net = shoal.load(sys.argv[1]).model("best")
    test = rows(TEST)
    with torch.no_grad():
        right = net(test["x"]).argmax(dim=1) == test["y"]
    print(f"right: {right.float().mean():.3f} of {len(right)} test rows")
