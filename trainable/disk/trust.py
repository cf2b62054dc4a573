"""Which folders can be trusted: code is loaded only from where no other user can write.

A folder is as safe as all that its path leads through: whoever can write to one of its parents can
put another folder into its place. In a folder with the sticky bit, as ``/tmp`` is, nobody can move
what is another's.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from shoal.trainable.errors import CompileError

MAX_LINKS = 40
"""As many symbolic links as the kernel follows."""


def is_ours(owner: int) -> bool:
    """Whether a file of this owner can be trusted: this user's, root's, or of a root that the
    user namespace of a container does not know."""
    return owner in (os.geteuid(), 0) or owner == _unknown_root()


def check_folder(path: Path) -> None:
    """Check that nobody else can change what `path` is or what is in it.

    Raises:
        CompileError: one can; or it is not there.
    """
    try:
        found = path.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise CompileError(f"{path} is no folder; set SHOAL_CACHE to a folder of your own")
        if not is_ours(found.st_uid) or (_others_write(found)):
            _refuse(path, path)
        _check_way(path)
    except OSError as error:
        raise CompileError(f"cannot read {path} ({error.strerror})") from error


def _check_way(path: Path) -> None:
    """Check every folder and symbolic link that the path leads through."""
    ahead = list(reversed(path.absolute().parts[1:]))
    here, links = Path(path.absolute().anchor), 0
    while True:
        found = here.stat()
        safe = not _others_write(found) or (ahead and found.st_mode & stat.S_ISVTX)
        if not is_ours(found.st_uid) or not safe:
            _refuse(path, here)
        if not ahead:
            return
        name = ahead.pop()
        if name == "..":
            here = here.parent
            continue
        step = here / name
        found = step.lstat()
        if not stat.S_ISLNK(found.st_mode):
            here = step
            continue
        links += 1
        if not is_ours(found.st_uid) or links > MAX_LINKS:
            _refuse(path, step)
        target = Path(os.readlink(step))
        ahead += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path(target.anchor) if target.is_absolute() else here


def _refuse(path: Path, place: Path) -> None:
    leads = "" if path == place else f", through which {path} leads,"
    raise CompileError(
        f"{place}{leads} is another user's, or others can write to it; set SHOAL_CACHE to a folder "
        "of your own"
    )


def _others_write(found: os.stat_result) -> bool:
    """Whether others can write to it; a group with this user as its only member does not count."""
    if found.st_mode & 0o002:
        return True
    return bool(found.st_mode & 0o020) and not _own_group(found)


def _own_group(found: os.stat_result) -> bool:
    """Whether a folder's group is its owner's private group, as many systems create for each
    user."""
    import grp
    import pwd

    if found.st_gid == 0 and found.st_uid == 0:
        return True
    try:
        group, owner = grp.getgrgid(found.st_gid), pwd.getpwuid(found.st_uid)
    except KeyError:
        return False
    private = group.gr_gid == owner.pw_gid and group.gr_name == owner.pw_name
    return private and not set(group.gr_mem) - {owner.pw_name}


def _unknown_root() -> int | None:
    """Return the id that root's files have in a user namespace without root; None elsewhere."""
    with suppress(OSError, ValueError, IndexError):
        first, _, count = Path("/proc/self/uid_map").read_text().split("\n")[0].split()
        if (first, count) != ("0", "4294967295"):
            return int(Path("/proc/sys/kernel/overflowuid").read_text())
    return None
