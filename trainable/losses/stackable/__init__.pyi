from .functions import Functions

__all__ = ["Functions"]
