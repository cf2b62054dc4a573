from .building import Code, Run
from .captured import Captured
from .library import Place, cache_folder, functions, loaded, make
from .probe import check_compiler
from .toolchain import NONE, command, compiler, identity

__all__ = [
    "NONE",
    "Captured",
    "Code",
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
