from .search.api import load as load
from .search.api import run as run
from .search.errors import (
    BadInput as BadInput,
)
from .search.errors import (
    EngineError as EngineError,
)
from .search.errors import (
    Interrupted as Interrupted,
)
from .search.errors import (
    RunFolderError as RunFolderError,
)
from .search.errors import (
    SearchError as SearchError,
)
from .search.errors import (
    SearchFailed as SearchFailed,
)
from .search.results.result import Result as Result
from .search.samplers.adapter import RoundTPESampler as RoundTPESampler
from .search.space.space import Space as Space
from .trainable.optimizers.optimizer import Rule as Rule
from .trainable.problems.problem import Problem as Problem
from .version import __version__ as __version__

__all__ = [
    "BadInput",
    "EngineError",
    "Interrupted",
    "Problem",
    "Result",
    "RoundTPESampler",
    "Rule",
    "RunFolderError",
    "SearchError",
    "SearchFailed",
    "Space",
    "__version__",
    "load",
    "run",
]
