"""The module that is written for a problem in memory."""

from __future__ import annotations

import os
import re
import sys
import types
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.trainable.errors import SourceError
from shoal.trainable.memory.comparing import difference
from shoal.trainable.memory.definitions import WRITTEN
from shoal.trainable.memory.gathering import ROOM, Gathered
from shoal.trainable.memory.values import CALL

PLACE = "<memory>"
"""Stands for the file in the name of a problem that has none, as in ``<memory>:Ridge``."""

HELD = f"{CALL}s"
"""The name in the written module that has the tensors."""

MANY_BYTES = 100 << 20
"""Tensors of this size are worth a note: each run folder has them."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A module with a class, and all that it uses.

    Attributes:
        cls: the class's name; module: the module's, which no import statement can have.
        text: Python; tensors: safetensors, or None where it has none.
        beside: the folder of the file that has the class; empty where it is in a cell.
        pieces: what stands in memory for its classes and functions, by name.
        lines: (first line in `text`, name of the cell or file, first line there) of each of them.
    """

    cls: str
    module: str
    text: str
    tensors: bytes | None
    beside: str
    pieces: dict[str, Any]
    lines: tuple[tuple[int, str, int], ...]

    @property
    def spec(self) -> str:
        """The problem's name."""
        return f"{PLACE}:{self.cls}"

    @property
    def contents(self) -> dict[str, bytes]:
        """The bytes of each file, by its name."""
        files = {f"{self.module}.py": self.text.encode()}
        if self.tensors is not None:
            files[f"{self.module}.safetensors"] = self.tensors
        return files

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        size = len(self.tensors or b"")
        if size < MANY_BYTES:
            return ()
        return (f"the tensors that {self.cls} uses are {size >> 20} MiB in the run folder",)

    def check(self, made: types.ModuleType) -> None:
        """Check that the module has made again what stands in memory.

        Raises:
            SourceError: something was changed since it was defined.
        """
        again = {id(there): getattr(made, name, None) for name, there in self.pieces.items()}
        for name, there in self.pieces.items():
            found = difference(there, getattr(made, name, None), name, again)
            if found is not None:
                cell = getattr(there, "__module__", None) == "__main__"
                way = f"run the cell of {name} again" if cell else f"reload the module of {name}"
                raise SourceError(f"{found} is not what its text makes now; {way}, or {ROOM}")

    def told(self, message: str, original: str) -> str:
        """Return a message in which lines of the module are those of the cell or the file.

        Args:
            original: what the module's file is called in the message.
        """
        places: list[str] = []

        def there(number: int) -> tuple[str, int]:
            above = [each for each in self.lines if each[0] <= number]
            first, place, line = above[-1] if above else (number, original, number)
            places.append(place)
            return place, line + number - first

        def named(found: re.Match[str]) -> str:
            return "{}:{}".format(*there(int(found[1])))

        def beside(found: re.Match[str]) -> str:
            place, line = there(int(found[1]))
            return f"in line {line}" + ("" if place == places[0] else f" of {place}")

        told = re.sub(rf"{re.escape(original)}:(\d+)", named, message)
        return re.sub(r"\bin line (\d+)", beside, told) if places else told


def generated(given: Any) -> Generated:
    """Return the module of a class or a function, or of an instance with its attributes.

    Raises:
        SourceError: something that it uses cannot be taken along; one line names it.
    """
    gathered = Gathered()
    if isinstance(given, (type, types.FunctionType)):
        name = cls = gathered.root(given)
        pieces, extra = {name: given}, ""
    else:
        name = gathered.class_of(given)
        pieces, cls = {name: type(given)}, f"{name}Instance"
        extra = _instance(given, name, cls, gathered)
    made = _module(gathered, name, cls, extra)
    file = getattr(sys.modules.get(pieces[name].__module__), "__file__", None)
    return replace(
        made,
        beside="" if file is None else os.path.dirname(os.path.abspath(file)),
        pieces={**made.pieces, **pieces},
    )


def _instance(given: Any, name: str, cls: str, gathered: Gathered) -> str:
    """The text of a class whose instances have the attributes of one."""
    slots = any(vars(each).get("__slots__") for each in type(given).__mro__)
    if slots or not hasattr(given, "__dict__"):
        raise SourceError(f"{name} has __slots__, and its attributes cannot be read; {ROOM}")
    lines = []
    for key, value in vars(given).items():
        text = gathered.value(value, f"{cls}.{key}", f"{name}'s attribute {key}")
        lines.append(f"            {key!r}: {text},\n")
    return (
        f"class {cls}({name}):\n"
        f'    """The instance that the search was given."""\n\n'
        f"    def __init__(self):\n"
        f"        vars(self).update({{\n{''.join(lines)}        }})\n"
    )


def _plain_first(statement: str) -> tuple[bool, str]:
    return statement.startswith("from "), statement


def _module(gathered: Gathered, name: str, cls: str, extra: str) -> Generated:
    pieces = gathered.pieces
    module = f"{cls}{WRITTEN}".removesuffix(".py")
    order = gathered.order()
    values = [piece.text for piece in pieces.values() if piece.definition is None]
    needs = {
        "torch": (torch, any("torch." in text for text in (*values, extra))),
        "pathlib": (sys.modules["pathlib"], any("pathlib." in text for text in (*values, extra))),
    }
    imports = {f"import {full}" for full in gathered.beside}
    for needed, (found, used) in needs.items():
        if used:
            gathered.reserve(needed, found)
            imports.add(f"import {needed}")
    reserved = [CALL, HELD, *([cls] if extra else [])]
    for taken in [each for each in reserved if each in pieces or each in gathered.imports]:
        raise SourceError(f"{name} uses the name {taken}, which shoal needs; name it otherwise")
    head = f'"""{name} as it stood in memory when its search began; written by shoal."""\n\n'
    if any(piece.definition and piece.definition.future for piece in pieces.values()):
        head += "from __future__ import annotations\n\n"
    own = set(gathered.imports.values())
    if len(gathered.tensors):
        own.add(f"from safetensors.torch import load as {HELD}")
    for statement in (*sorted(imports - own), *sorted(own, key=_plain_first)):
        head += statement + "\n"
    if len(gathered.tensors):
        head += (
            f"\n{HELD} = {HELD}(\n"
            '    __loader__.get_data(__file__.removesuffix(".py") + ".safetensors")\n'
            ")\n\n\n"
            f"def {CALL}(name):\n"
            '    """Return a copy of a tensor of the file beside this one."""\n'
            f"    return {HELD}[name].clone()\n"
        )
    after_short = False
    text, lines = head, list[tuple[int, str, int]]()
    for each in order:
        definition = pieces[each].definition
        short = definition is None and after_short
        text += "\n" if short else "\n\n"
        after_short = definition is None
        if definition is not None:
            lines.append((text.count("\n") + 1, definition.place, definition.line))
        text += pieces[each].text
    if extra:
        text += "\n\n" + extra
    return Generated(
        cls=cls,
        module=module,
        text=text,
        tensors=gathered.tensors.to_bytes() if len(gathered.tensors) else None,
        beside="",
        pieces={n: p.value for n, p in pieces.items() if p.definition is not None},
        lines=tuple(lines),
    )
