"""Environments of the peers that shoal's own does not hold: made once, git-ignored.

Each takes torch and what else is there from the environment that runs this (a line in a .pth file),
and installs beside it only what its peer needs more, pinned by the two constraints files.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
INSTALL_SECONDS = 300


class NotInstalled(Exception):
    """A peer's environment could not be made; the message is the line that says why."""


def python_with(package: str) -> str:
    """Return the Python of an environment that has `package`, made if need be.

    Raises:
        NotInstalled: pip could not install it.
    """
    place = HERE / f".venv-{package}"
    python = place / "bin" / "python"
    done = place / "installed"
    if done.exists():
        return str(python)
    venv.create(place, with_pip=True, clear=True)
    packages = next(place.glob("lib/python*/site-packages"))
    (packages / "shoal.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--constraint",
        str(ROOT / "constraints.txt"),
        "--constraint",
        str(HERE / "constraints.txt"),
        package,
    ]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip took over {INSTALL_SECONDS} s") from None
    if told.returncode != 0:
        errors = [line for line in told.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled(errors[-1] if errors else f"pip ended with {told.returncode}")
    done.touch()
    return str(python)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(python_with(name))
