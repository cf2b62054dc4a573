"""What is fitted: the contract of a problem, and how problems are found."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
