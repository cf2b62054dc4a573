"""Optuna's studies: a search as a study, in memory or stored, and a stored one as a run folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
