from .search.api.reading import fit, load
from .search.api.running import extend, run
from .search.engines.engine import Engine
from .search.errors import (
    BadInput,
    EngineError,
    Interrupted,
    RunFolderError,
    SearchError,
    SearchFailed,
)
from .search.fits.fit import Fit
from .search.results.result import Result
from .search.samplers.sampler import Sampler
from .search.samplers.studies.adapter import RoundTPESampler
from .search.space.space import Space
from .search.watching.observer import Observer
from .trainable.optimizers.methods.optimizer import Optimizer
from .trainable.problems.problem import Problem
from .version import __version__

__all__ = [
    "BadInput",
    "Engine",
    "EngineError",
    "Fit",
    "Interrupted",
    "Observer",
    "Optimizer",
    "Problem",
    "Result",
    "RoundTPESampler",
    "RunFolderError",
    "Sampler",
    "SearchError",
    "SearchFailed",
    "Space",
    "__version__",
    "extend",
    "fit",
    "load",
    "run",
]
