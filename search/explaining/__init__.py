"""How a search would be run, before there is one: as kernels or as torch's operations, and why."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
