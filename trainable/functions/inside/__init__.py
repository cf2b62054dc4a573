"""What runs in the process of a call: the user's function or program, and what watches it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
