"""Finding a problem by what the user wrote."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shoal.trainable.errors import SourceError
from shoal.trainable.memory import PLACE, Generated
from shoal.trainable.modules import Bundle, File, Places, digest, forget_finders, is_folder
from shoal.trainable.problems.registry import PROBLEMS
from shoal.trainable.problems.source import Source, file_hash, keep, read
from shoal.trainable.process import World


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What a spec names, before anything is executed.

    Attributes:
        path: the file of the problem's module, or None: it is installed, or not found.
    """

    cls: str
    module: str
    path: Path | None
    package: bool
    places: Places


def find(spec: str) -> Source:
    """Return the source that `spec` names; the user's files are executed.

    Raises:
        SourceError: nothing is there, or it cannot be loaded.
    """
    if spec in PROBLEMS:
        return installed(spec)
    named = _named(spec)
    if named.path is None:
        source = installed(f"{named.module}:{named.cls}")
        source.named()
        return source
    content = read(named.path)
    bundle = Bundle(named.places, named.module)
    bundle.add(File.of(named.module, named.path, content, named.package), content, named.path)
    if _place(spec).endswith(".py"):
        bundle.stand_alone()
    token = keep(bundle)
    files = bundle.files()[:1]
    source = Source(
        spec=spec,
        cls=named.cls,
        module=named.module,
        sha256=digest(files),
        files=files,
        token=token,
        world=World.here(),
    )
    try:
        files = source.met()
    except BaseException:
        source.release()
        raise
    return replace(source, sha256=digest(files), files=files)


def made(generated: Generated) -> Source:
    """Return the source of a problem that was in memory; its module is executed.

    Its files are named as if they lay beside the file that has it, or else in the working folder;
    nothing is written there.

    Raises:
        SourceError: it cannot be loaded, or does not make again what is in memory.
    """
    forget_finders()
    world = World.here()
    folder = Path(generated.beside or world.folder or os.sep)
    bundle = Bundle(Places([folder, Path(world.folder or os.sep)]), generated.module)
    for file, content in _files(generated, folder):
        bundle.add(file, content, Path(file.original))
    token = keep(bundle)
    files = bundle.files()
    source = Source(
        spec=generated.spec,
        cls=generated.cls,
        module=generated.module,
        sha256=digest(files),
        files=files,
        token=token,
        world=world,
    )
    try:
        source.named()
        generated.check(sys.modules[f"{bundle.prefix}.{generated.module}"])
        return replace(source, sha256=digest(source.met()), files=source.met())
    except BaseException as error:
        source.release()
        if isinstance(error, SourceError):
            raise SourceError(generated.told(str(error), files[0].original)) from error
        raise


def other_now(generated: Generated, files: Sequence[File]) -> tuple[File, str] | None:
    """Return the first file of a search that the problem in memory has not, with its sha256 now.

    The latter is "" where the problem has no such file. The user's own modules are not looked at.
    """
    now = {file.copy: file for file, _ in _files(generated, Path(os.sep))}
    had = {f.copy: f for f in files if f.module.partition(".")[0] == generated.module}
    for copy in {**had, **now}:
        if copy not in had:
            return files[0], now[copy].sha256
        if copy not in now or now[copy].sha256 != had[copy].sha256:
            return had[copy], now[copy].sha256 if copy in now else ""
    return None


def _files(generated: Generated, folder: Path) -> Iterator[tuple[File, bytes]]:
    """Yield the files of a problem in memory, with their bytes; the module's first."""
    for name, content in generated.contents.items():
        module = name.removesuffix(".py")
        file = File(
            module=module,
            copy=name,
            original=str(folder / name),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        yield file, content


def installed(spec: str) -> Source:
    """Return the source of an installed problem; the user's own code is not executed.

    Raises:
        SourceError: nothing is there.
    """
    module, cls = PROBLEMS.get(spec) or (spec.rpartition(":")[0], spec.rpartition(":")[2])
    world = World() if spec in PROBLEMS else World.here()
    return Source(spec=spec, cls=cls, module=module, sha256=file_hash(module), world=world)


def lying_now(spec: str, files: Sequence[File]) -> tuple[File, ...]:
    """Return a search's files with the originals that the user means now; nothing is executed.

    Where the problem lies elsewhere now, such as in a project that was moved, so does what it
    imports.

    Args:
        spec: the problem, as the user names it now.
        files: those that the search began with, the problem's first.

    Raises:
        SourceError: `spec` names nothing that could be its file.
    """
    named = _named(spec)
    first, *rest = files
    if named.path is None:
        raise SourceError(f"{spec} is not found from here; it was {first.original}")
    if os.path.realpath(named.path) == os.path.realpath(first.original):
        return tuple(files)
    found = [replace(first, original=str(named.path))]
    for file in rest:
        there = named.places.dotted(file.module)
        if there is not None and is_folder(there) and not file.copy:
            portions = list(there.submodule_search_locations or ())
            found.append(replace(file, original=portions[0]))
        elif there is not None and there.has_location and there.origin is not None:
            found.append(replace(file, original=os.path.abspath(there.origin)))
        else:
            found.append(file)
    return tuple(found)


def changed(files: Sequence[File]) -> tuple[File, str] | None:
    """Return the first file whose original is another one now, with the sha256 that it has now.

    The latter is "" where the file is gone.

    Raises:
        SourceError: an original cannot be read.
    """
    for file in files:
        if not file.copy:
            continue
        try:
            now = hashlib.sha256(Path(file.original).read_bytes()).hexdigest()
        except FileNotFoundError:
            now = ""
        except OSError as error:
            raise SourceError(f"cannot read {file.original}: {error.strerror}") from error
        if now != file.sha256:
            return file, now
    return None


def _named(spec: str) -> _Named:
    """What `spec` names.

    Raises:
        SourceError: it has no meaning.
    """
    place, colon, cls = spec.rpartition(":")
    if place == PLACE:
        raise SourceError(
            f"{spec} was a class in memory: give the class itself in Python, or do not name it, "
            "to go on with its copy"
        )
    file = place.endswith(".py")
    dotted = all(word.isidentifier() for word in place.split("."))
    if not (colon and cls.isidentifier() and (file or dotted)):
        near = difflib.get_close_matches(spec, PROBLEMS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise SourceError(
            f"unknown problem {spec!r}{hint}; known: {', '.join(PROBLEMS)}; "
            "or module:Class, or file.py:Class"
        )
    forget_finders()
    stands = World.here().folder
    start = [Path(stands)] if stands else []
    if place == "__main__":  # a script that searches its own class
        script = getattr(sys.modules["__main__"], "__file__", None)
        if script is None:
            raise SourceError("__main__ is not a module with a file; write the class into a file")
        return _of_file(Path(script).absolute(), cls, start)
    if file:
        return _of_file(Path(os.path.expanduser(place)).absolute(), cls, start)
    places = Places(start)
    found = places.dotted(place)
    if found is not None and is_folder(found):
        raise SourceError(f"{place} is not a module with a file")
    if found is None or not found.has_location or found.origin is None:
        return _Named(cls=cls, module=place, path=None, package=False, places=places)
    path = Path(found.origin).absolute()
    package = found.submodule_search_locations is not None
    top = path.parents[min(place.count(".") + package, len(path.parents) - 1)]
    wider = Places([*start, top])
    own = wider.owns(found)
    return _Named(cls=cls, module=place, path=path if own else None, package=package, places=wider)


def _of_file(path: Path, cls: str, start: list[Path]) -> _Named:
    """A file, as Python would run it as a script: what it imports lies beside it first."""
    stem = path.name.removesuffix(".py")
    beside = [path.parent, Path(os.path.realpath(path)).parent]
    return _Named(
        cls=cls,
        module=stem if stem.isidentifier() else re.sub(r"\W", "-", stem),
        path=path,
        package=False,
        places=Places([*beside, *start]),
    )


def _place(spec: str) -> str:
    place = spec.rpartition(":")[0]
    return f"{place}.py" if place == "__main__" else place
