"""The own process while a search runs: signals, streams, loggers, threads; afterwards as before."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
