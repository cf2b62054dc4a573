"""The wheel, outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.long
def test_the_installed_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    """Built, installed into an environment of its own, and run over Ray Tune."""
    # without --wheel: from the sdist, which is made first
    build = [sys.executable, "-m", "build", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("shoal-*.whl")
    held = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in held if not name.endswith(".dist-info")} == {"shoal"}
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = (".py", ".pyi", ".sbatch", ".sh", ".hpp", ".json", ".csv")
    for part in ("search", "trainable", "slurm"):
        for file in (ROOT / part).rglob("*"):
            if file.suffix in kept:
                assert f"shoal/{file.relative_to(ROOT)}" in names
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    # what shoal depends on comes from here; the checkout, which is here as editable, does not
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [venv / "bin" / "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([*map(str, install)], check=True)

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = "import shoal.search, shoal.trainable as t; print(shoal.search.__file__, t.__file__)"
    told = subprocess.run(
        [venv / "bin" / "python", "-c", where],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.count(str(site)) == 2
    command = [venv / "bin" / "shoal", "run", "--trials", "24", "--steps", "20", "--json"]
    done = subprocess.run(
        [*command, "--engine", "ray"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fresh"] == 24
