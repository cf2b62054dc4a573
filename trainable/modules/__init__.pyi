from .bundle import Bundle as Bundle
from .claims import claimed as claimed
from .files import File as File
from .files import digest as digest
from .files import is_utf8 as is_utf8
from .files import path_read as path_read
from .files import path_written as path_written
from .lines import traceback_of as traceback_of
from .locating import INSTALLED as INSTALLED
from .locating import SHOAL_PATH as SHOAL_PATH
from .locating import Places as Places
from .locating import forget_finders as forget_finders
from .locating import is_folder as is_folder
from .locating import is_installed as is_installed

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
    "path_read",
    "path_written",
    "traceback_of",
]
