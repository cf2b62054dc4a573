"""The user's own modules under a search: found, copied, hashed, imported apart."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
