"""Searches in lives of their own, each killed as it is about to write a chosen time.

    python striking.py lives FOLDER ARGUMENTS     # a few, and then one to its end
    python striking.py end FOLDER ARGUMENTS       # at each step of writing the kept parameters

A life is a fork of this process, which has imported shoal, and has computed nothing. The figures
are printed as JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import shoal
from shoal.search import api  # noqa: F401  # imported once, for all lives
from shoal.search.driver import execution  # noqa: F401  # likewise
from shoal.search.folder.keeping import Keeping
from shoal.search.folder.staging import Staging
from shoal.trainable.disk import Directory

KEPT = 2
"""Trials whose parameters are kept, of two replicates and two folds each."""

Work = Callable[[], object]


def forked(work: Work) -> int:
    """Do something in a fork; return its exit code, or the negative number of its signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Strike:
    """Kills this process before the step of a number, counted from 1."""

    def __init__(self, at: int) -> None:
        self._left = at

    def before(self, owner: type, name: str) -> None:
        """Count a method's calls as steps."""
        method = getattr(owner, name)

        def struck(*given: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*given, **named)

        setattr(owner, name, struck)

    def end(self) -> None:
        """Strike no more."""
        self._left = 0


def placing(at: int) -> None:
    """Strike before a file is moved to its place, on the way: a table, a part, a pack's
    parameters."""
    strike, end = Strike(at), Keeping.end

    def unharmed(*given: Any) -> Any:
        strike.end()
        return end(*given)

    strike.before(Staging, "place")
    Keeping.end = unharmed  # type: ignore[method-assign]  # in this life


def ending(at: int) -> None:
    """Strike before a step of what is done with parameters in the end; 0: before it begins."""
    if at == 0:
        Strike(1).before(Keeping, "end")
        return
    strike, end = Strike(at), Keeping.end

    def struck(*given: Any) -> Any:
        for owner, name in ((Staging, "stage"), (Staging, "place"), (Directory, "unlink")):
            strike.before(owner, name)
        done = end(*given)
        strike.end()
        return done

    Keeping.end = struck  # type: ignore[method-assign]  # in this life


def life(out: Path, arguments: dict[str, Any], patch: Work = lambda: None) -> int:
    """Search, or go on, in a life of its own."""

    def run() -> None:
        patch()
        shoal.run(**arguments, out=out)

    return forked(run)


def lives(folder: Path, arguments: dict[str, Any]) -> dict[str, int]:
    """Kill three: between the parameters and the rows of a pack, and at the next two packs."""
    for at in (3, 4, 6):
        code = life(folder / "out", arguments, partial(placing, at))
        assert code == -signal.SIGKILL, code
    assert life(folder / "out", arguments) == 0
    return {"lives": 4}


def end(folder: Path, arguments: dict[str, Any]) -> dict[str, int]:
    """Strike at each step; each time the parameters can be read, and the next life goes on."""
    before = folder / "before"
    assert life(before, arguments, partial(ending, 0)) == -signal.SIGKILL
    for at in itertools.count(1):
        out = folder / f"step-{at:02}"
        shutil.copytree(before, out)
        code = life(out, {"engine": "inline"}, partial(ending, at))
        assert code in (0, -signal.SIGKILL), code
        assert life(out, {"engine": "inline"}, partial(read, out)) == 0, at
        if code == 0:
            return {"steps": at - 1}
    raise AssertionError


def read(out: Path) -> None:
    """Read the parameters of each fit of the best trials."""
    result = shoal.load(out)
    for trial in result.ranking["trial"].head(KEPT):
        for replicate, fold in itertools.product(range(2), range(2)):
            assert set(result.parameters(int(trial), replicate, fold)) == {"slope", "offset"}


if __name__ == "__main__":
    mode = {"lives": lives, "end": end}[sys.argv[1]]
    print(json.dumps(mode(Path(sys.argv[2]), json.loads(sys.argv[3]))))
