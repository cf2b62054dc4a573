"""What a program runs: functions of stacked tensors, and what updates take."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
