from .registry import observing

__all__ = ["observing"]
