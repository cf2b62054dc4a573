"""Trying a sampler of Optuna's out, before a search begins with it."""

from __future__ import annotations

import logging
import warnings

import optuna

from shoal.search.process import quiet
from shoal.search.samplers.studies.loading import made, refused, source_of
from shoal.search.samplers.studies.trials import asked
from shoal.search.space import Searched, Space

TRIALS = 12
"""So many are asked and told, after which most samplers use what they have learned."""


def check_sampler(name: str, space: Space, seed: int) -> str:
    """Check that a sampler can be loaded and takes the space.

    Returns:
        sha256 of the user's own files that make it; "": it is installed.

    Raises:
        BadInput: it cannot, and why.
    """
    source = source_of(name)
    searched = Searched(space)
    distributions = {n: d.distribution for n, d in searched.dimensions.items()}
    with quiet("optuna", logging.ERROR), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=made(name, seed))
        try:
            for number in range(TRIALS):
                trial, _ = asked(study, searched, distributions)
                study.tell(trial, float(number))
        except Exception as error:
            raise refused(name, error) from error
    return "" if source is None else source.sha256
