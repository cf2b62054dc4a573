"""Torch's functions as ones that can be stacked, and repeated: dropout, recurrence, attention."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
