"""SLURM's commands and what they report: jobs, nodes, allocations and steps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
