from . import rows
from .keys import Keys, in_order
from .merging import merge, parquet_bytes

__all__ = [
    "Keys",
    "in_order",
    "merge",
    "parquet_bytes",
    "rows",
]
