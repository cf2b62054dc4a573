"""A problem that stands in memory: its class and all that it uses, written as one module."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
