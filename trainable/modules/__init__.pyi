from .bundle import Bundle
from .claims import claimed
from .files import File, digest, is_utf8, path_read, path_written
from .lines import traceback_of
from .locating import INSTALLED, SHOAL_PATH, Places, forget_finders, is_folder, is_installed
from .statements import parsed

__all__ = [
    "INSTALLED",
    "SHOAL_PATH",
    "Bundle",
    "File",
    "Places",
    "claimed",
    "digest",
    "forget_finders",
    "is_folder",
    "is_installed",
    "is_utf8",
    "parsed",
    "path_read",
    "path_written",
    "traceback_of",
]
