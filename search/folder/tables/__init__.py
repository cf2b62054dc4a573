"""The tables of a run folder: their columns, the keys of their rows, and how they are merged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
