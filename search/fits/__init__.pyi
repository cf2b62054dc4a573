from .chosen import Chosen, chosen, tensors_of
from .fit import Fit
from .once import fit_once
from .prediction import model, predict
from .refit import Refit, refit
from .tables import check_new, read_table, saved, write_table

__all__ = [
    "Chosen",
    "Fit",
    "Refit",
    "check_new",
    "chosen",
    "fit_once",
    "model",
    "predict",
    "read_table",
    "refit",
    "saved",
    "tensors_of",
    "write_table",
]
