"""The problems that ship. `trainable.problems.registry` names them; others read their tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
