"""Independent trials, uniform over the space."""

from __future__ import annotations

from typing import ClassVar

import numpy

from shoal.search.samplers.sampler import Column, Question
from shoal.search.space import Searched, spread


class Uniform:
    """The sampler ``random``."""

    learns: ClassVar[bool] = False
    replays: ClassVar[bool] = False
    repeats: ClassVar[bool] = True

    def __init__(self, searched: Searched, seed: int) -> None:
        self._axes = searched.axes

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter."""
        shape = (question.count, len(self._axes))
        points = spread(self._axes, numpy.random.default_rng(question.seed).random(shape))
        return [axis.values(points[:, j]) for j, axis in enumerate(self._axes)]
