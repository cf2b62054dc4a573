"""Trackers: observers that hand the fits of a search over to experiment trackers and files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
