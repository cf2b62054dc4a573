"""Operations of torch, as operations of loops over named axes and views of what these give."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
