"""One job: the nodes of a cluster, the command that runs on it, and how it ends."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
