"""What is fitted: the contract of a problem, the built-in ones, and how others are found."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
