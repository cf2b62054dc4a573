"""The version of shoal that is installed."""

import importlib.metadata

try:
    __version__ = importlib.metadata.version("shoal")
except importlib.metadata.PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "unknown"
