"""The check of a gradient by hand, against autograd and against differences of the loss."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
