"""The user's own modules in a search: found, copied, hashed, and imported apart from others."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
