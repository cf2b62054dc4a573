"""The nets of digits: by hand and as a module they are one; and each learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import shoal
from shoal.trainable.feeding.batches import Batches
from shoal.trainable.losses import Given, loss_of
from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems import Leaves, Params, hyperparameters, leaves, like
from shoal.trainable.problems.shipped.digits.convnet import ConvNet
from shoal.trainable.problems.shipped.digits.mlp import Mlp
from shoal.trainable.problems.shipped.digits.mlp_module import MlpModule
from shoal.trainable.problems.values import cast

pytest.importorskip("sklearn")


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("seed", [0, 7])
def test_both_begin_with_the_same_parameters(width: int, seed: int) -> None:
    """To the bit, under the same names, and those are of the module's state_dict."""
    by_hand = Mlp(width).initial(seed)
    problem = MlpModule(width)
    of_module = loss_of(problem, hyperparameters(MlpModule)).initial(seed, {})
    assert isinstance(by_hand, dict)
    assert list(by_hand) == list(of_module) == list(problem.module().state_dict())
    for name, leaf in by_hand.items():
        assert torch.equal(leaf, of_module[name])


def curve(problem: Any, steps: int) -> tuple[list[float], Params, float]:
    """Losses before each update by Adam, in float64, the parameters at the end, and the loss over
    all rows there: in a plain loop."""
    loss = loss_of(problem, hyperparameters(type(problem)))
    params = start = cast(loss.initial(3, {}), torch.float64)
    rows = cast(problem.data(), torch.float64)
    batches = Batches.of(problem, rows, 0)
    assert batches is not None
    values = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    h = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    given = Given(own={"l2": torch.tensor(1e-3, dtype=torch.float64)})
    adam = composed("adam", given=(), steps=steps)
    state, losses = adam.init(leaves(params)), []
    for step in range(steps):
        which = batches.at(3, step)
        taken = {name: item[which] for name, item in rows.items()}

        def loss_and_gradient(at: Leaves, taken: Any = taken) -> tuple[torch.Tensor, Leaves]:
            made = loss.made(like(start, at), taken, given)
            return made.loss, made.gradient

        function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda at: at[0])
        clock = torch.tensor(float(step), dtype=torch.float64)
        before, moved, state = adam.step(function, leaves(params), state, h, clock)
        losses.append(before.item())
        params = like(params, moved)
    return losses, params, loss.value(params, rows, given).item()


def test_both_have_the_same_curve_in_float64() -> None:
    """All 27 updates of three epochs, to 1e-9, and so the parameters after them; another penalty
    would show."""
    one, other = curve(Mlp(16), 27), curve(MlpModule(16), 27)
    assert one[0] == pytest.approx(other[0], rel=1e-9)
    assert one[2] == pytest.approx(other[2], rel=1e-9)
    for a, b in zip(leaves(one[1]), leaves(other[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert one[0][0] > 2 > 1.1 > one[2]


def test_a_search_finds_the_same_for_both(tmp_path: Path) -> None:
    """In float32, as a search makes them: each loss of a curve, and each metric, to 1e-4."""
    found = {
        name: shoal.run(
            name,
            space={"lr": "1e-3:1e-1:log", "l2": "1e-6:1e-2:log", "width": 16},
            trials=4,
            steps=27,
            report=1,
            sampler="random",
            out=tmp_path / name,
        )
        for name in ("mlp", "mlp-module")
    }
    one, other = found["mlp"], found["mlp-module"]
    assert len(one.curves) == len(other.curves) >= 4 * 27
    for column in ("loss", "validation_loss"):
        numpy.testing.assert_allclose(one.curves[column], other.curves[column], rtol=1e-4)
        numpy.testing.assert_allclose(one.trials[column], other.trials[column], rtol=1e-4)
    assert (one.trials["lr"] == other.trials["lr"]).all()
    assert one.best["accuracy"] > 0.9


def test_the_fitted_module_is_the_nets(tmp_path: Path) -> None:
    """It tells test rows, which the search has not seen, as `predict` does."""
    space = {"lr": 0.02, "l2": 1e-4, "width": 16}
    result = shoal.run("mlp-module", space=space, trials=1, epochs=5, out=tmp_path / "run")
    test = MlpModule().test()
    told = result.predict("best", 16 * test["x"])
    with torch.no_grad():
        z = result.model("best")(test["x"])
    assert (torch.from_numpy(told) == z.argmax(dim=1)).all()
    assert (torch.from_numpy(told) == test["y"]).double().mean() > 0.85


def test_the_convolutional_net_is_what_it_says() -> None:
    """Logits against convolutions written out, at one place each."""
    problem = ConvNet(channels=3)
    module = problem.module()
    x = problem.test()["x"][:4]
    first, second, last = (part for part in module.modules() if hasattr(part, "weight"))
    assert (first.weight.shape, second.weight.shape) == ((3, 1, 3, 3), (6, 3, 3, 3))

    def convolved(image: torch.Tensor, layer: Any) -> torch.Tensor:
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
        size = image.shape[-1]
        windows = torch.stack(
            [padded[:, :, i : i + size, j : j + size] for i in range(3) for j in range(3)], dim=2
        )
        weight = layer.weight.flatten(2)
        made = torch.einsum("ncwhk,ocw->nohk", windows, weight) + layer.bias[:, None, None]
        halves = made.clamp(min=0).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        return halves.amax(dim=(3, 5))

    with torch.no_grad():
        h = convolved(convolved(x.view(4, 1, 8, 8), first), second)
        torch.testing.assert_close(module(x), h.flatten(1) @ last.weight.T + last.bias)


def test_the_convolutional_net_learns(tmp_path: Path) -> None:
    """Eight epochs, with four channels."""
    space = {"lr": 0.03, "l2": 1e-5, "channels": 4}
    result = shoal.run("convnet", space=space, trials=1, epochs=8, out=tmp_path / "run")
    assert result.best["accuracy"] > 0.85
    test = ConvNet().test()
    told = torch.from_numpy(result.predict("best", 16 * test["x"]))
    assert (told == test["y"]).double().mean() > 0.85


def test_the_loss_is_that_of_scikit_learns_classifier() -> None:
    """With alpha = 128 l2, on a batch of 128 rows, at the parameters where it begins: it moves by
    1e-12."""
    from sklearn.neural_network import MLPClassifier

    problem, l2 = Mlp(8), 1e-2
    rows = {name: item[:128] for name, item in problem.data().items()}
    model = MLPClassifier((8,), activation="tanh", solver="sgd", alpha=128 * l2, batch_size=128)
    model.set_params(learning_rate_init=1e-12, momentum=0.0, max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(rows["x"].double().numpy(), rows["y"].numpy())
    (w1, w2), (b1, b2) = (
        map(torch.from_numpy, parts) for parts in (model.coefs_, model.intercepts_)
    )
    params = {"hidden.weight": w1.T, "hidden.bias": b1, "output.weight": w2.T, "output.bias": b2}
    rows = cast(rows, torch.float64)
    loss, _ = problem.loss_and_gradient(params, rows, l2=l2)
    assert loss.item() == pytest.approx(model.loss_, rel=1e-7)
    assert problem.loss_and_gradient(params, rows)[0].item() < 0.999 * model.loss_
    told = torch.from_numpy(model.predict(rows["x"].numpy()))
    assert torch.equal(problem.predict(params, 16 * rows["x"]), told)
