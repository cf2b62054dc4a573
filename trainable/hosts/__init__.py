"""Processes that hold a worker: for Ray Tune, and for packs that may end their process."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
