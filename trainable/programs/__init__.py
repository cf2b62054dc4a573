"""One step of a fit, stacked over many, traced, and given to a compiler."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
