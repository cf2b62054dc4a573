"""What is known before a search asks: points to be tried, and trials whose objective is known."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
