"""Pieces: a step as kernels with operations of torch between them, which no kernel can do."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
