from .functions import defined
from .operators import OPERATORS, called, expression, in_steps
from .prelude import PRELUDE

__all__ = [
    "OPERATORS",
    "PRELUDE",
    "called",
    "defined",
    "expression",
    "in_steps",
]
