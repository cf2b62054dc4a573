from .kernel import FLAGS as FLAGS
from .kernel import Kernel as Kernel
from .kernel import KernelRun as KernelRun

__all__ = [
    "FLAGS",
    "Kernel",
    "KernelRun",
]
