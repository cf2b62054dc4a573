"""Hyperparameters: which values each may take, as text, as numbers and as coordinates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
