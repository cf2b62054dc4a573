"""Files and folders that other users may have tampered with: no symbolic link is followed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
