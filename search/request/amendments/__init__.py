"""What is asked of a search after its first request, and the rounds that all of it makes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
