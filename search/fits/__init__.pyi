from .again import Again, call_again
from .calling import Call, call_once, function_of
from .chosen import Chosen, chosen, tensors_of
from .fit import Fit
from .left import check_stacked, checkpoint_of, held, kept
from .once import fit_once
from .prediction import model, predict
from .refit import Refit, refit
from .tables import check_new, read_table, saved, write_table

__all__ = [
    "Again",
    "Call",
    "Chosen",
    "Fit",
    "Refit",
    "call_again",
    "call_once",
    "check_new",
    "check_stacked",
    "checkpoint_of",
    "chosen",
    "fit_once",
    "function_of",
    "held",
    "kept",
    "model",
    "predict",
    "read_table",
    "refit",
    "saved",
    "tensors_of",
    "write_table",
]
