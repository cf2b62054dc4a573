from .registry import WINDOWED

__all__ = ["WINDOWED"]
