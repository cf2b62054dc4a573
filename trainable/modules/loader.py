"""The loader of one of the user's own modules, from the bytes that were hashed."""

from __future__ import annotations

import types
from importlib.machinery import SourceFileLoader
from importlib.util import decode_source
from typing import Any, Protocol

from shoal.trainable.modules.lines import show


class Owner(Protocol):
    """Has the user's own modules of one search, and what was read of their files."""

    builtins: dict[str, Any]

    def content(self, module: str) -> bytes:
        """Return the bytes of a module's file."""

    def data(self, path: str) -> bytes | None:
        """Return what was read of the file at `path`; None: it is none of this search's."""


class Loader(SourceFileLoader):
    """Executes a module from its bytes; its file is the user's original.

    Attributes:
        ran: the bytes.
    """

    def __init__(self, fullname: str, original: str, owner: Owner, module: str) -> None:
        super().__init__(fullname, original)
        self.ran = owner.content(module)
        self._owner = owner

    def get_code(self, fullname: str) -> types.CodeType:
        show(self.path, self.ran)
        code: types.CodeType = compile(self.ran, self.path, "exec", dont_inherit=True)
        return code

    def get_data(self, path: str) -> bytes:
        found = self._owner.data(path)
        return super().get_data(path) if found is None else found

    def get_source(self, fullname: str) -> str:
        return decode_source(self.ran)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__builtins__"] = self._owner.builtins
        super().exec_module(module)
