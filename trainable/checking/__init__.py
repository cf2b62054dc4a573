"""Validation of a problem class before a search starts: shapes, dtypes, randomness, gradients."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
