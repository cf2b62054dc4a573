from .directory import Directory, OddFile, opened_in, read_in
from .temporary import private_folder
from .trust import check_folder, is_ours

__all__ = [
    "Directory",
    "OddFile",
    "check_folder",
    "is_ours",
    "opened_in",
    "private_folder",
    "read_in",
]
