"""What becomes of a pack that did not work: it runs again, elsewhere, or its fits are failed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
