"""Whether a class, made again from its text, is the one that stands in memory."""

from __future__ import annotations

import dis
import re
import types
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.memory.definitions import free_names, within

_OF_A_CLASS = {
    "__module__",
    "__qualname__",
    "__dict__",
    "__weakref__",
    "__doc__",
    "__annotations__",
    "__annotate__",
    "__annotate_func__",
    "__annotations_cache__",
    "__firstlineno__",
    "__static_attributes__",
    "__abstractmethods__",
    "_abc_impl",
}
"""Attributes that Python gives a class, and what is no part of what it computes."""

Again = Mapping[int, Any]
"""What was made again for the classes and functions that have a text, by their ``id``."""

_NAMED = (type, types.FunctionType)


def difference(there: Any, made: Any, name: str, again: Again) -> str | None:
    """Return the name of the first part in which a class or a function is not the same.

    Args:
        there: what stands in memory; made: what its text makes.
        name: what it is called.

    Returns:
        None: they are the same.
    """
    if isinstance(there, type) and isinstance(made, type):
        return _of_class(there, made, name, again)
    if _same_functions(there, made, again):
        return None
    return name


def _of_class(there: type, made: type, name: str, again: Again) -> str | None:
    if len(there.__bases__) != len(made.__bases__):
        return f"{name}, by its base classes,"
    for one, other in zip(there.__bases__, made.__bases__, strict=True):
        if not _is_it(one, other, again):
            return f"the base class {one.__name__} of {name}"
    mine, others = (
        {key: held for key, held in vars(each).items() if key not in _OF_A_CLASS}
        for each in (there, made)
    )
    for key in [*mine, *(key for key in others if key not in mine)]:
        if key not in mine or key not in others or not _same(mine[key], others[key], again):
            return f"{name}.{key}"
    return None


def _is_it(one: Any, other: Any, again: Again) -> bool:
    """Whether two classes or functions are one, of which this search has its own copy perhaps."""
    if id(one) in again:
        return again[id(one)] is other
    if one is other:
        return True
    if not (isinstance(one, _NAMED) and isinstance(other, _NAMED)):
        return False
    names = [
        (re.sub(r"^shoal_problem_\d+\.", "", str(each.__module__)), each.__qualname__)
        for each in (one, other)
    ]
    return names[0] == names[1]


def _same(one: Any, other: Any, again: Again, inside: tuple[int, ...] = ()) -> bool:
    """Whether two values are the same, as far as that can be told.

    Args:
        inside: objects that are being compared, by their ``id``; they are not compared again.
    """
    if _is_it(one, other, again) or id(one) in inside:
        return True
    inside = (*inside, id(one))
    if type(one) is not type(other) and not _is_it(type(one), type(other), again):
        return False
    if isinstance(one, (staticmethod, classmethod)):
        return _same(one.__func__, other.__func__, again, inside)
    if isinstance(one, property):
        pairs = ((one.fget, other.fget), (one.fset, other.fset), (one.fdel, other.fdel))
        return all(_same(a, b, again, inside) for a, b in pairs)
    if isinstance(one, types.FunctionType) or hasattr(one, "__wrapped__"):
        return _same_functions(one, other, again)
    if isinstance(one, torch.Tensor):
        return _same_tensors(one, other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(
            _same(a, b, again, inside) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, dict):
        return list(map(_shown, one)) == list(map(_shown, other)) and _same(
            list(one.values()), list(other.values()), again, inside
        )
    if isinstance(one, type):
        return _of_class(one, other, one.__name__, again) is None
    if callable(getattr(type(one), "equals", None)):  # a DataFrame shows a part of itself
        return bool(one.equals(other))
    if hasattr(one, "__dict__") and vars(one):
        return _same(vars(one), vars(other), again, inside)
    return _shown(one) == _shown(other)


def _same_tensors(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same bits; of those without any here, that cannot be told."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    try:
        bits = [
            each.detach().resolve_conj().resolve_neg().reshape(-1).contiguous().view(torch.uint8)
            for each in (one, other)
        ]
        return torch.equal(*bits)
    except (RuntimeError, NotImplementedError):
        return False


def _shown(value: Any) -> str:
    """A value as text, without addresses in memory; arrays are shown whole."""
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return f"{value.dtype} {value.shape} {value.tobytes()!r}"
    text = value.__name__ if isinstance(value, type) else repr(value)
    return re.sub(r"0x[0-9a-fA-F]+|shoal_problem_\d+\.[^.]*|__main__", "", text)


def _same_functions(one: Any, other: Any, again: Again) -> bool:
    """Whether functions, and those that they wrap, have the same code and defaults."""
    mine, others = within(one), within(other)
    if len(mine) != len(others) or not mine:
        return False
    return all(
        _same_code(a.__code__, b.__code__, bool(free_names(a)) and not free_names(b))
        and _same(a.__defaults__, b.__defaults__, again)
        and _same(a.__kwdefaults__, b.__kwdefaults__, again)
        and _same(_attributes(a), _attributes(b), again)
        for a, b in zip(mine, others, strict=True)
    )


def _attributes(function: types.FunctionType) -> dict[str, Any]:
    return {name: held for name, held in vars(function).items() if name != "__wrapped__"}


def _instructions(code: types.CodeType) -> list[tuple[str, str]]:
    """The instructions of a code and what they are about.

    How an attribute is called depends on whether the name before it is imported in the same text;
    that and the places of jumps are left out. Constants are compared apart.
    """
    found = []
    for each in dis.get_instructions(code):
        name = "LOAD_ATTR" if each.opname == "LOAD_METHOD" else each.opname
        if name in ("CACHE", "EXTENDED_ARG", "PRECALL", "PUSH_NULL"):
            continue
        about = re.sub(r"NULL(\|self)?|[+ ]", "", each.argrepr)
        plain = name == "LOAD_CONST" or each.opcode in dis.hasjrel or each.opcode in dis.hasjabs
        found.append((name, "" if plain else about))
    return found


def _same_code(one: types.CodeType, other: types.CodeType, moved: bool) -> bool:
    """Whether two codes do the same.

    Args:
        moved: whether variables of the function around the first are global names of the second,
            so that the instructions differ.
    """
    if moved:
        names = [
            {*each.co_names, *each.co_varnames, *each.co_freevars, *each.co_cellvars}
            for each in (one, other)
        ]
        alike = names[0] == names[1]
    else:
        alike = _instructions(one) == _instructions(other)
    alike = alike and one.co_name == other.co_name and one.co_argcount == other.co_argcount
    alike = alike and one.co_kwonlyargcount == other.co_kwonlyargcount
    if not alike or len(one.co_consts) != len(other.co_consts):
        return False
    for a, b in zip(one.co_consts, other.co_consts, strict=True):
        if isinstance(a, types.CodeType) and isinstance(b, types.CodeType):
            if not _same_code(a, b, moved):
                return False
        elif isinstance(a, str) and isinstance(b, str):  # names of classes in functions
            if a.rpartition("<locals>.")[2] != b.rpartition("<locals>.")[2]:
                return False
        elif type(a) is not type(b) or repr(a) != repr(b):
            return False
    return True
