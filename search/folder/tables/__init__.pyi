from . import rows
from .keys import Keys, in_order
from .known import FOLDER, SCORE, known_bytes, known_name, known_tables
from .merging import merge, parquet_bytes

__all__ = [
    "FOLDER",
    "SCORE",
    "Keys",
    "in_order",
    "known_bytes",
    "known_name",
    "known_tables",
    "merge",
    "parquet_bytes",
    "rows",
]
