"""Names of what a fit reports, in columns of the results."""

LOSS = "loss"

FOLD = "fold"
"""The part of the rows that is left out; among the shape hyperparameters of lanes too."""
