"""One node of a cluster: the agent, its addresses, ports, memory and temp folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
