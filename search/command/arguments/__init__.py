"""What is typed: options made from the table of settings, numbers, and a file of settings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
