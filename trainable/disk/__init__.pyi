from .directory import Directory as Directory
from .directory import OddFile as OddFile
from .directory import opened_in as opened_in
from .directory import read_in as read_in
from .temporary import private_folder as private_folder
from .trust import check_folder as check_folder
from .trust import is_ours as is_ours

__all__ = [
    "Directory",
    "OddFile",
    "check_folder",
    "is_ours",
    "opened_in",
    "private_folder",
    "read_in",
]
