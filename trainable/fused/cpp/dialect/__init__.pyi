from .functions import defined
from .operators import OPERATORS, called, expression
from .prelude import PRELUDE

__all__ = [
    "OPERATORS",
    "PRELUDE",
    "called",
    "defined",
    "expression",
]
