"""One fit at a time: of a problem, of a trial of a run folder, and what it predicts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
