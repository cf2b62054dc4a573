from .registry import runner_of

__all__ = ["runner_of"]
