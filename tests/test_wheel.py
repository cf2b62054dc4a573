"""The wheel, outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_installed_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    """Built, installed into an environment of its own, and run over Ray Tune."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("shoal-*.whl")
    held = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in held if not name.endswith(".dist-info")} == {
        "search", "trainable", "slurm",
    }  # fmt: skip
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (ROOT / "slurm").rglob("*"):
        if file.suffix in (".sbatch", ".sh"):
            assert str(file.relative_to(ROOT)) in names
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    # what shoal depends on comes from here; the checkout, which is here as editable, does not
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [venv / "bin" / "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([*map(str, install)], check=True)

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = "import search, trainable; print(search.__file__, trainable.__file__)"
    told = subprocess.run(
        [venv / "bin" / "python", "-c", where], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.count(str(site)) == 2
    command = [venv / "bin" / "shoal", "run", "--trials", "24", "--steps", "20", "--json"]
    done = subprocess.run(
        [*command, "--engine", "ray"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fresh"] == 24
