"""What commands show: text that is asked for, a line that moves, tables, and drawings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
