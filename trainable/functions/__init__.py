"""Fits in any framework, one at a time: a function or a program is called for each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
