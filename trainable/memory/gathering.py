"""What a class uses, and what that uses, each by the statement that makes it again."""

from __future__ import annotations

import builtins
import types
from dataclasses import dataclass, field
from typing import Any

from shoal.trainable.errors import SourceError
from shoal.trainable.memory.definitions import Definition, definition_of, free_names, within
from shoal.trainable.memory.names import names_in
from shoal.trainable.memory.statements import of_module, of_object, submodules
from shoal.trainable.memory.values import Tensors, Untaken, written

ROOM = "write the class into a file, as in shoal.run('file.py:Class')"

_OF_A_MODULE = ("__name__", "__doc__", "__builtins__", "__spec__", "__loader__", "__package__")
"""Names that each module has of its own."""

MAGIC = "get_ipython"
"""What a line that begins with % or ! calls, once IPython has read it."""


@dataclass
class Piece:
    """One name of the written module.

    Attributes:
        text: the statement; value: what stands in memory for it.
        needed: the names that are to stand above it; used: those that it needs when it is called.
        definition: where it is a class or a function, its text.
    """

    text: str
    value: Any
    needed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    definition: Definition | None = None


@dataclass
class Gathered:
    """What a module is to hold.

    Attributes:
        pieces: all but imports, by name.
        imports: import statements by the name that they bind; beside: those of submodules.
        tensors: what is saved beside it.
    """

    pieces: dict[str, Piece] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)
    tensors: Tensors = field(default_factory=Tensors)
    _values: dict[str, Any] = field(default_factory=dict)

    def root(self, cls: type | types.FunctionType) -> str:
        """Take a class or a function, and all that it uses; return its name.

        Raises:
            SourceError: something cannot be taken along; one line names it.
        """
        return self._defined(cls, cls.__name__, cls.__name__, {})

    def class_of(self, instance: Any) -> str:
        """Take the class of an instance, by an import where its module is a file; return its name.

        Raises:
            SourceError: something cannot be taken along; one line names it.
        """
        cls = type(instance)
        self._take(cls.__name__, cls, cls.__name__, {})
        return cls.__name__

    def value(self, value: Any, name: str, user: str) -> str:
        """Return the text of a value that is no global name, such as an attribute's.

        Raises:
            SourceError: it cannot be written; the message says that `user` has it.
        """
        try:
            return written(value, name, self.tensors, lambda each: self._refer(each, user, {}))
        except Untaken as error:
            raise SourceError(f"{user} is {error}") from error

    def reserve(self, name: str, module: types.ModuleType) -> None:
        """Have a name stand for a module.

        Raises:
            SourceError: it stands for something else.
        """
        if self._values.setdefault(name, module) is not module:
            self._check_same(name, module)

    def order(self) -> list[str]:
        """Return the names of the pieces, each after those that it needs.

        What it uses when it is called stands above it too, where that can be: what is needed may
        be called while the module is executed.
        """
        done: dict[str, None] = {}
        begun = set[str]()

        def waits(name: str, seen: frozenset[str] = frozenset()) -> bool:
            """Whether a piece needs one that is not placed yet, though it is begun."""
            if name not in self.pieces or name in done or name in seen:
                return False
            needed = self.pieces[name].needed
            return any(
                (each in begun and each not in done) or waits(each, seen | {name})
                for each in needed
            )

        def place(name: str) -> None:
            if name in begun or name not in self.pieces:
                return
            begun.add(name)
            piece = self.pieces[name]
            for each in piece.needed:
                place(each)
            for each in piece.used:
                if not waits(each):
                    place(each)
            done[name] = None

        for name in list(self.pieces):
            place(name)
        return list(done)

    def _take(self, name: str, value: Any, user: str, namespace: dict[str, Any]) -> None:
        """Take a global name along.

        Raises:
            SourceError: its value cannot be taken, or it stands for two things.
        """
        if name in self._values:
            self._check_same(name, value)
            return
        if isinstance(value, types.ModuleType):
            statement = of_module(name, value)
            if statement is None:
                raise SourceError(
                    f"{user} uses {name}, a module that cannot be imported by its name; {ROOM}"
                )
            self._values[name], self.imports[name] = value, statement
            return
        self._values[name] = value
        twin = self._twin(name, value)
        if twin is not None:
            self.pieces[name] = Piece(f"{name} = {twin}\n", value, needed=(twin,))
            return
        used = dict[str, None]()

        def refer(each: Any) -> str | None:
            found = self._refer(each, user, namespace)
            if found is not None:
                used[found] = None
            return found

        try:
            if _is_named(value):
                self._object(name, value, user, namespace)
                return
            text = written(value, name, self.tensors, refer)
        except Untaken as error:
            near = [each for each in namespace.values() if isinstance(each, types.ModuleType)]
            statement = of_object(name, value, near)
            if statement is None:
                raise SourceError(f"{user} uses {name}, {error}") from error
            self.imports[name] = statement
            return
        self.pieces[name] = Piece(f"{name} = {text}\n", value, needed=tuple(used))

    def _check_same(self, name: str, value: Any) -> None:
        """Check that a name that is taken stands for the same.

        Raises:
            SourceError: it does not.
        """
        held = self._values[name]
        if held is value:
            return
        nothing = Tensors()
        try:
            alike = written(held, name, nothing, _none) == written(value, name, nothing, _none)
            if alike and not len(nothing):
                return
        except Untaken:
            pass
        raise SourceError(
            f"{name} stands for two things in what is used together; name one of them otherwise, "
            f"or {ROOM}"
        )

    def _twin(self, name: str, value: Any) -> str | None:
        """Return another name that stands for the very same list, dict or tensor."""
        if isinstance(value, (int, float, complex, str, bytes, tuple, type(None), type)):
            return None
        return next((n for n, p in self.pieces.items() if n != name and p.value is value), None)

    def _object(self, name: str, value: Any, user: str, namespace: dict[str, Any]) -> None:
        """Take a class or a function that `name` stands for, from where it is defined."""
        statement = None
        if getattr(value, "__module__", None) != "__main__":
            near = [each for each in namespace.values() if isinstance(each, types.ModuleType)]
            statement = of_object(name, value, near)
        if statement is not None:
            self.imports[name] = statement
            return
        own = self._defined(value, name, user, namespace)
        if own != name:
            self.pieces[name] = Piece(f"{name} = {own}\n", value, needed=(own,))

    def _refer(self, value: Any, user: str, namespace: dict[str, Any]) -> str | None:
        """Return a name for a class or a function that stands in a list or a dict."""
        if not _is_named(value):
            return None
        known = [name for name, held in self._values.items() if held is value]
        if known:
            return known[0]
        name = str(getattr(value, "__name__", ""))
        if not name.isidentifier():
            return None
        self._take(name, value, user, namespace)
        return name

    def _defined(self, value: Any, name: str, user: str, namespace: dict[str, Any]) -> str:
        """Take the text of a class or a function; return the name that it binds.

        Raises:
            SourceError: its text is not kept, or it is a closure.
        """
        cls = isinstance(value, type)
        inner = [] if cls else [each for each in within(value) if each.__code__.co_name == name]
        functions = [*inner, *([value] if cls or isinstance(value, types.FunctionType) else [])]
        found = None
        for each in functions:
            free = () if cls else free_names(each)
            found = None if free else definition_of(each, name)
            if free and each is value:
                raise SourceError(
                    f"{user} uses {name}, a function that needs {free[0]} of the function around "
                    f"it; give it {free[0]} as an argument, or {ROOM}"
                )
            if found is not None:
                break
        what = "class" if cls else "function"
        if found is None:
            uses = "" if user == name else f"{user} uses {name}: "
            raise SourceError(f"{uses}the text of the {what} {name} is not kept here; {ROOM}")
        own = found.name
        if self._values.setdefault(own, value) is not value:
            self._check_same(own, value)
        if own in self.pieces:
            return own
        self.pieces[own] = piece = Piece(found.text, value, definition=found)
        try:
            names = names_in(found.text)
        except SyntaxError as error:
            raise SourceError(
                f"{own} cannot stand outside of the function around it ({error.msg}); {ROOM}"
            ) from error
        piece.needed, piece.used = names.early, names.late
        if own in names.itself:
            raise SourceError(
                f"{own} is made of an earlier {own}; give the two other names, and run their cells "
                "again"
            )
        for each in (*names.early, *names.late):
            if each in _OF_A_MODULE:
                continue
            if each == MAGIC:
                raise SourceError(
                    f"{found.place}:{found.line_of(MAGIC)}: {own} has a line with % or ! in it; "
                    "take that line out"
                )
            if each in found.namespace:
                held = found.namespace[each]
                self._take(each, held, own, found.namespace)
                if isinstance(held, types.ModuleType):
                    self.beside |= submodules(found.text, each, held)
            elif not hasattr(builtins, each) and each in names.early and found.inner:
                raise SourceError(
                    f"{own} uses {each} of the function around it, which is not known any more; "
                    f"{ROOM}"
                )
        return own


def _is_named(value: Any) -> bool:
    """Whether a value is a class or a function, which has a text or a module."""
    plain = isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType))
    return plain or (hasattr(value, "__wrapped__") and bool(within(value)))


def _none(value: Any) -> None:
    return None
