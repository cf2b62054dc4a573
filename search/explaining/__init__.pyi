from .explanation import Explained, Explanation, explain

__all__ = [
    "Explained",
    "Explanation",
    "explain",
]
