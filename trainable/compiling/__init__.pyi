from .building import Code as Code
from .building import Run as Run
from .captured import Captured as Captured
from .compiler import NONE as NONE
from .compiler import command as command
from .compiler import compiler as compiler
from .compiler import identity as identity
from .inductor import Inductor as Inductor
from .library import Place as Place
from .library import cache_folder as cache_folder
from .library import functions as functions
from .library import loaded as loaded
from .library import make as make
from .probe import check_compiler as check_compiler

__all__ = [
    "NONE",
    "Captured",
    "Code",
    "Inductor",
    "Place",
    "Run",
    "cache_folder",
    "check_compiler",
    "command",
    "compiler",
    "functions",
    "identity",
    "loaded",
    "make",
]
