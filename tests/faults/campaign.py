"""Strikes searches on one machine many times, and proves each time that nothing came of it.

    python tests/faults/campaign.py kill-driver --count 100
    python tests/faults/campaign.py all --minutes 30      # what `make soak` does

Each search is struck at random moments until it happens to end; a line a search, and the figures at
the end. Afterwards nothing may be left: no file in the temp folder or in shared memory, no process;
and no driver may have had more memory than an undisturbed one, but for a tenth.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kit import (
    DISK_SEARCH,
    NET_SEARCH,
    SEARCH,
    Fault,
    Shim,
    Trial,
    Witness,
    crash,
    freeze_driver,
    interrupt,
    kill_driver,
    kill_raylet,
    kill_worker,
    mount,
    plant,
    rival,
    undisturbed,
    unmount,
    with_disk,
)

FAULTS: dict[str, Fault] = {
    "kill-driver": kill_driver,
    "kill-worker": kill_worker,
    "kill-raylet": kill_raylet,
    "crash": crash,
    "unmount": unmount,
    "freeze-driver": freeze_driver,
    "interrupt": interrupt,
    "rival": rival,
    "plant": plant,
}

ON_DISK = ["unmount", "kill-driver"]
"""What strikes searches whose data is on a disk that can go."""

ENDS = {
    "kill-driver": (-9,),
    "crash": (-11,),
    "kill-raylet": (1,),
    "unmount": (1,),
    "interrupt": (130, 143, 75, 76, -2, -15, -10),
}
"""Exit codes with which a struck command may end, besides 0."""


def engine(name: str, chance: random.Random) -> tuple[str, ...]:
    """The engine of a life: where the fault needs Ray's processes, Ray."""
    if name in ("kill-worker", "kill-raylet") or chance.random() < 0.35:
        return ("--engine", "ray", "--workers", "2", "--checkpoint", "0.2s")
    return ("--engine", "inline", "--checkpoint", "0.2s")


def harass(
    folder: Path,
    names: list[str],
    chance: random.Random,
    whole: Path,
    most: int,
    search: Sequence[str] = SEARCH,
) -> tuple[Counter[str], float]:
    """Strike one search until it ends, or `most` times; return how often each fault struck, and
    the most memory of a driver, in MiB.

    Args:
        whole: the undisturbed search; where one of the faults is ``unmount``, of `DISK_SEARCH`.
        search: what is searched elsewhere.
    """
    on_disk = "unmount" in names
    shim = Shim(folder) if "move-clock" in names or "slow-disk" in names else None
    trial = with_disk(folder) if on_disk else Trial(folder, search)
    if shim is not None:
        trial = Trial(folder, search, environment=shim.environment)
    struck: Counter[str] = Counter()
    with Witness(trial.out) as witness:
        while True:
            name = chance.choice(names)
            words = engine(name, chance)
            before = trial.writers
            if struck.total() >= most or chance.random() < 0.5:
                mount(trial)
            process = trial.start(*words)
            while process.poll() is None and trial.writers == before:  # it still begins
                time.sleep(0.01)
            deadline = time.monotonic() + chance.uniform(0.0, 8.0 if "ray" in words else 3.0)
            while process.poll() is None and time.monotonic() < deadline:
                trial.measure()
                time.sleep(0.01)
            if process.poll() is None and struck.total() < most:
                struck[name] += 1
                if shim is not None and name not in FAULTS:
                    shim.set(
                        delay_us=chance.choice([0, 50_000]), clock_s=chance.randint(-(10**6), 10**6)
                    )
                else:
                    FAULTS[name](trial, chance)
            while process.poll() is None:
                trial.measure()
                time.sleep(0.02)
            code, said = trial.end()
            expected = (0, *ENDS.get(name, ()), *(ENDS["unmount"] if on_disk else ()))
            assert code in expected, (name, code, said)
            assert "Traceback" not in said, said
            if code == 0:
                break
    trial.check(whole, witness)
    if shim is not None:
        shim.close()
    return struck, trial.peak_mib


def left_over(temp: Path, shared: set[str]) -> list[str]:
    """What is in the temp folder and in shared memory that was not there before."""
    ours = [e.name for e in temp.iterdir() if not e.name.startswith("torchinductor_")]  # a cache
    return [*ours, *set(os.listdir("/dev/shm")) - shared]


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=[*FAULTS, "move-clock", "slow-disk", "all"])
    parser.add_argument("--count", type=int, default=10, help="strikes")
    parser.add_argument("--minutes", type=float, help="instead of --count")
    parser.add_argument("--most", type=int, default=1000, help="strikes at one search")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    every = [*(fault for fault in FAULTS if fault != "unmount"), "move-clock", "slow-disk"]
    names = every if asked.fault == "all" else [asked.fault]
    struck: Counter[str] = Counter()
    searches, began = 0, time.monotonic()

    def over() -> bool:
        if asked.minutes is not None:
            return time.monotonic() - began > 60 * asked.minutes
        return struck.total() >= asked.count

    shared = set(os.listdir("/dev/shm"))
    short = tempfile.TemporaryDirectory(prefix="f", dir="/tmp")  # short, for Ray's sockets
    with tempfile.TemporaryDirectory(prefix="faults-") as name, short as temp_name:
        place, temp = Path(name), Path(temp_name)
        os.environ["TMPDIR"] = temp_name
        (place / "whole").mkdir()
        whole, seconds, usual = undisturbed(place / "whole")
        print(f"undisturbed: {seconds:.1f} s, a driver of {usual:.0f} MiB", flush=True)
        others = {"on-disk": DISK_SEARCH, "net": NET_SEARCH}
        for name in others:
            (place / name).mkdir()
        on_disk, net = (undisturbed(place / name, words)[0] for name, words in others.items())
        most = 0.0
        while not over():
            folder = place / str(searches)
            folder.mkdir()
            chance = random.Random(f"{asked.seed}:{searches}")
            if asked.fault == "unmount" or (asked.fault == "all" and chance.random() < 0.2):
                now, _ = harass(folder, ON_DISK, chance, on_disk, asked.most)
            elif chance.random() < 0.5:
                now, _ = harass(folder, names, chance, net, asked.most, NET_SEARCH)
            else:
                now, peak = harass(folder, names, chance, whole, asked.most)
                most = max(most, peak)
            struck += now
            searches += 1
            told = ", ".join(f"{count} {name}" for name, count in sorted(now.items())) or "none"
            print(f"search {searches}: {told}: the same table", flush=True)
        (place / "last").mkdir()
        undisturbed(place / "last")  # as every search does, it tidies up after killed ones
        print(f"the largest driver had {most:.0f} MiB, {most / usual:.2f} times the undisturbed")
        left = left_over(temp, shared)
        assert left == [], left
        assert most <= 1.1 * usual
    told = ", ".join(f"{count} {name}" for name, count in sorted(struck.items()))
    minutes = (time.monotonic() - began) / 60
    print(f"{searches} searches, {told}; all ended with the same table ({minutes:.1f} min)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
