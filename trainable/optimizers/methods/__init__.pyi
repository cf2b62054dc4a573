from .adagrad import ADAGRAD
from .adam import ADAM, ADAMW
from .levenberg_marquardt import LEVENBERG_MARQUARDT
from .lion import LION
from .optimizer import Clock, Function, Named, Optimizer, State, Values, by_gradient
from .rmsprop import RMSPROP
from .sgd import MOMENTUM, SGD

__all__ = [
    "ADAGRAD",
    "ADAM",
    "ADAMW",
    "LEVENBERG_MARQUARDT",
    "LION",
    "MOMENTUM",
    "RMSPROP",
    "SGD",
    "Clock",
    "Function",
    "Named",
    "Optimizer",
    "State",
    "Values",
    "by_gradient",
]
