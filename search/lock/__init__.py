"""The lock of a run folder: one writer at a time, on any disk, also after crashes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
