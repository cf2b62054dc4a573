from .calls import Calls, calls_of
from .partition import Partition, partitioned
from .run import PiecesRun

__all__ = ["Calls", "Partition", "PiecesRun", "calls_of", "partitioned"]
