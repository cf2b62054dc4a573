from .kernel import FLAGS, Kernel, KernelRun

__all__ = [
    "FLAGS",
    "Kernel",
    "KernelRun",
]
