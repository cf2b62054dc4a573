"""Calls of functions and programs by a worker: what comes of them, and of their processes."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.functions.command import Command
from shoal.trainable.functions.declared import declared
from shoal.trainable.functions.recipe import CallRecipe, Limits, log_of
from shoal.trainable.functions.reports import Aim
from shoal.trainable.functions.saving import committed
from shoal.trainable.lanes import STATES, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.source import Source
from shoal.trainable.process.world import World
from shoal.trainable.task import Outcome, Task
from shoal.trainable.worker import Worker

Eventually = Callable[..., None]


def never() -> bool:
    """Stop nothing."""
    return False


class Caller:
    """Calls one function, or program, in a folder of its own."""

    def __init__(self, recipe: CallRecipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.worker = Worker(recipe)

    def __call__(
        self,
        trial: int = 0,
        seed: int = 0,
        stop: Callable[[], bool] = never,
        at_once: Callable[[], bool] = never,
        **values: Any,
    ) -> Outcome:
        """Call it with these hyperparameters."""
        lanes = Lanes(
            trial=torch.tensor([trial]),
            replicate=torch.tensor([0]),
            seed=torch.tensor([seed]),
            values={},
            shape=values,
        )
        return self.worker.run(Task(lanes=lanes, block=1), stop, at_once=at_once)

    def log(self, trial: int = 0) -> str:
        """What a trial has printed."""
        return (self.recipe.logs / log_of(trial, 0)).read_bytes().decode()


def lives(process: int) -> bool:
    """Whether a process lives, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def numbers(outcome: Outcome) -> tuple[str, dict[str, float], list[int]]:
    """The state of a call, what counts of its reports, and the steps of all."""
    assert outcome.fitted is not None, outcome.error
    fitted = outcome.fitted
    found = dict(zip(fitted.names, fitted.metrics[0].tolist(), strict=True))
    return STATES[int(fitted.state[0])], found, fitted.curve_step.tolist()


Make = Callable[..., Caller]


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    """Make a caller of ``train`` in a text, with limits such as ``grace``."""
    made: list[tuple[Caller, Source]] = []

    def make(text: str, *, aim: Aim | None = None, cpus: int = 1, **limits: Any) -> Caller:
        file = tmp_path / f"own{len(made)}.py"
        file.write_text(textwrap.dedent(text))
        source = find(f"{file}:train")
        found = declared(source.named())
        recipe = CallRecipe(
            source=source.complete(),
            aim=aim or Aim(objective="loss"),
            names=("lr", "width", "name"),
            asks=found.asks,
            cpus=cpus,
            limits=Limits(**limits),
            folder=str(tmp_path),
            visible="",
        )
        made.append((Caller(recipe, tmp_path), source))
        return made[-1][0]

    yield make
    for one, source in made:
        one.worker.close()
        source.release()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    """Make a caller of a command."""
    made: list[Caller] = []

    def make(text: str, reads: dict[str, str], **limits: Any) -> Caller:
        command = Command(text=text, reads=reads)
        command.check()
        world = replace(World(), folder=str(tmp_path))
        source = Source(spec="program", cls="", module="", sha256="", world=world)
        recipe = CallRecipe(
            source=source,
            aim=Aim(objective="loss", metrics=tuple(n for n in reads if n != "step")),
            command=command,
            names=("lr",),
            asks=tuple(name for name in command.names if name != "lr"),
            limits=Limits(**limits),
            folder=str(tmp_path),
            visible="",
        )
        made.append(Caller(recipe, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.worker.close()


def test_a_function_is_known_by_what_it_gives(caller: Make) -> None:
    """A number, a dict, a generator, one that also returns, and a decorated one."""
    train = caller("""
        import functools

        def generator(lr):
            for epoch in range(3):
                yield {"loss": lr * (3 - epoch), "accuracy": epoch}
            return {"loss": 0.0, "accuracy": 9}

        def decorated(function):
            @functools.wraps(function)
            def inner(*given, **named):
                return function(*given, **named)
            return inner

        @decorated
        def train(lr, name, width=3):
            if name == "generator":
                return generator(lr)
            if name == "generator function":
                return (loss for loss in [3, 2.5])
            return {"number": lr, "dict": {"loss": lr, "more": width}}[name]
        """)
    assert numbers(train(lr=0.5, name="number")) == ("complete", {"loss": 0.5}, [1])
    assert numbers(train(lr=0.5, name="dict", width=7))[1] == {"loss": 0.5, "more": 7.0}
    assert numbers(train(lr=0.5, name="generator")) == (
        "complete",
        {"loss": 0.0, "accuracy": 9.0},
        [1, 2, 3, 4],
    )
    assert numbers(train(lr=0.5, name="generator function"))[1] == {"loss": 2.5}


def test_what_gives_no_number_has_failed(caller: Make) -> None:
    """And the process goes on to the next call."""
    train = caller("""
        import sys

        async def asynchronous():
            return 1.0

        def empty():
            return
            yield

        def train(lr, name):
            if name == "raises":
                raise ValueError(f"no {lr}")
            if name == "exits":
                sys.exit(3)
            return {"nothing": None, "text": "x", "async": asynchronous(), "empty": empty(),
                    "fine": 1.0}[name]
        """)
    expected = {
        "nothing": "it has given no report: yield or return a number, or a dict of numbers",
        "empty": "it has given no report: yield or return a number, or a dict of numbers",
        "text": "loss is 'x', not a number",
        "async": "the function is async; write it with def, without await",
        "raises": "ValueError: no 0.5",
        "exits": "SystemExit: 3",
    }
    for name, error in expected.items():
        outcome = train(lr=0.5, name=name)
        assert (outcome.fitted, outcome.error) == (None, error)
        assert ("own0.py" in outcome.details) == (name in ("raises", "exits"))
    assert numbers(train(lr=0.5, name="fine"))[0] == "complete"


def test_a_call_that_diverges_or_has_no_patience_is_closed(caller: Make) -> None:
    """Between two reports, in the thread that runs it; what its cleanup raises is in the log."""
    train = caller(
        """
        import threading

        def train(lr, name):
            began = threading.get_ident()
            try:
                for loss in {"diverges": [1, float("nan"), 0], "waits": [1, 2, 3, 0]}[name]:
                    yield loss
                print("not closed")
            finally:
                print("closed", threading.get_ident() == began)
                raise RuntimeError("of the cleanup")
        """,
        aim=Aim(objective="loss", patience=2, best=True),
    )
    state, found, steps = numbers(train(lr=1, name="diverges"))
    assert (state, steps) == ("diverged", [1, 2])
    assert found["loss"] != found["loss"]
    assert numbers(train(1, lr=1, name="waits")) == ("complete", {"loss": 1.0}, [1, 2, 3])
    for trial in (0, 1):
        assert "closed True\n" in train.log(trial)
        assert "RuntimeError: of the cleanup" in train.log(trial)


def test_generators_of_numbers_are_seeded_whenever_they_are_loaded(caller: Make) -> None:
    """In a new process, which loads numpy and torch in the middle of a call, as in one that has
    run other calls; and Python's own is not touched by that."""
    text = """
        import random

        def train(lr, *, seed):
            before = random.random()
            import numpy
            import torch
            hashed = hash("a") % 1000
            return {"loss": before, "again": random.random(), "array": numpy.random.rand(),
                    "tensor": float(torch.rand(())), "seed": seed, "hash": hashed,
                    "threads": torch.get_num_threads()}
        """
    train, fresh = caller(text, cpus=3), caller(text, fresh=True, cpus=3)
    first, second, other = train(lr=1, seed=5), train(lr=1, seed=5), train(lr=1, seed=6)
    assert numbers(first) == numbers(second) == numbers(fresh(lr=1, seed=5))
    assert numbers(first)[1]["threads"] == 3
    for name in ("loss", "again", "array", "tensor"):
        assert numbers(first)[1][name] != numbers(other)[1][name]


def test_torch_is_not_loaded_for_a_function_that_does_not_ask(caller: Make) -> None:
    """Nor is the process another for each call, unless each has a new one; GPUs that were not
    asked for are not seen."""
    text = """
        import os, sys

        def train(lr):
            return {"loss": os.getpid(), "torch": "torch" in sys.modules,
                    "gpus": len(os.environ["CUDA_VISIBLE_DEVICES"])}
        """
    train, fresh = caller(text), caller(text, fresh=True)
    found = [numbers(train(lr=1))[1] for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["torch"] == found[0]["gpus"] == 0
    assert numbers(fresh(lr=1))[1]["loss"] != numbers(fresh(lr=1))[1]["loss"]


def test_a_process_whose_memory_has_grown_is_renewed(caller: Make) -> None:
    """By a fifth, and by 64 MiB at the least."""
    train = caller("""
        import os
        held = []

        def train(lr):
            held.append(b"x" * int(lr))
            return float(os.getpid())
        """)
    processes = [numbers(train(lr=size))[1]["loss"] for size in (1, 1, 2e8, 1, 1)]
    assert processes[0] == processes[1] == processes[2] != processes[3] == processes[4]


def test_a_call_that_is_told_to_stop_ends_at_its_next_report(caller: Make, tmp_path: Path) -> None:
    """`stop` is true then; its checkpoint is kept, and the next attempt goes on from there."""
    train = caller("""
        import pathlib, time

        def train(lr, *, checkpoint, stop):
            file = checkpoint / "epoch"
            epoch = int(file.read_text()) if file.exists() else 0
            while epoch < 5:
                epoch += 1
                if epoch == 3 and lr:
                    (checkpoint.parent / "waits").touch()
                    while not stop():
                        time.sleep(0.01)
                file.write_text(str(epoch))
                yield {"step": epoch, "loss": 1 / epoch}
        """)
    waits = tmp_path / "checkpoints/0-0/waits"
    outcome = train(lr=1, stop=waits.exists)
    assert (outcome.stopped, outcome.saved, outcome.fitted) == (True, True, None)
    assert committed(tmp_path / "checkpoints/0-0") is not None
    again = train(lr=0)
    assert numbers(again) == ("complete", {"loss": 0.2}, [1, 2, 3, 4, 5])
    assert again.before > 0


def test_a_call_that_does_not_end_in_its_grace_is_killed_with_all_it_has_started(
    caller: Make, tmp_path: Path, eventually: Eventually
) -> None:
    """Also at once, where that is asked for."""
    train = caller(
        """
        import pathlib, subprocess, time

        def train(lr, name):
            child = subprocess.Popen(["sleep", "600"])
            pathlib.Path(name).write_text(str(child.pid))
            while True:
                time.sleep(1)
        """,
        grace=0.2,
    )
    for trial, way in enumerate(("stop", "at_once")):
        told = tmp_path / str(trial)
        outcome = train(trial, lr=1, name=str(told), **{way: lambda told=told: bool(size(told))})
        assert (outcome.stopped, outcome.saved, outcome.error) == (True, False, None)
        eventually(lambda told=told: not lives(int(told.read_text())))


def size(file: Path) -> int:
    """How much stands in a file."""
    return file.stat().st_size if file.exists() else 0


def test_a_call_that_takes_too_long_has_failed(caller: Make) -> None:
    """It is told to stop first."""
    train = caller(
        """
        import time

        def train(lr):
            try:
                while True:
                    time.sleep(0.05)
                    yield 1.0
            finally:
                print("closed")
        """,
        timeout=0.5,
    )
    outcome = train(lr=1)
    assert outcome.error == "it took longer than the 0.5 s of --trial-timeout"
    assert "closed" in train.log()


def test_two_deaths_without_a_new_report_are_a_calls_own_doing(caller: Make) -> None:
    """One death, or one after each new report, is not."""
    train = caller("""
        import os, signal

        def train(lr, width, *, checkpoint):
            file, deaths = checkpoint / "epoch", checkpoint.parent / "deaths"
            epoch = int(file.read_text()) if file.exists() else 0
            while epoch < 4:
                epoch += 1
                if epoch > 1 and (deaths.stat().st_size if deaths.exists() else 0) < width:
                    with deaths.open("a") as more:
                        more.write("x")
                    os.kill(os.getpid(), signal.SIGKILL)
                file.write_text(str(epoch))
                yield {"step": epoch, "loss": epoch + lr}
                if lr and epoch % 2:
                    os.kill(os.getpid(), signal.SIGSEGV)
        """)
    assert numbers(train(0, lr=0, width=0)) == ("complete", {"loss": 4.0}, [1, 2, 3, 4])
    once = train(1, lr=0, width=1)
    assert numbers(once) == ("complete", {"loss": 4.0}, [1, 2, 3, 4])
    assert once.notes == ("its process died (SIGKILL); it is called again",)
    each = train(2, lr=1, width=0)
    assert numbers(each) == ("complete", {"loss": 5.0}, [1, 2, 3, 4])
    assert len(each.notes) == 2
    outcome = train(3, lr=0, width=9)
    assert outcome.error is not None
    assert "its process died 2 times without a new report (SIGKILL: out of memory" in outcome.error


def test_the_process_goes_with_its_worker(caller: Make, eventually: Eventually) -> None:
    """Whatever has become of that: the channel is closed."""
    train = caller("""
        import os, subprocess

        def train(lr):
            child = subprocess.Popen(["sleep", "600"])
            return {"loss": os.getpid(), "child": child.pid}
        """)
    _, found, _ = numbers(train(lr=1))
    process: Any = train.worker._runner  # the worker is not asked to close
    process._process._channel.close()
    eventually(lambda: not lives(int(found["loss"])) and not lives(int(found["child"])))


def test_what_a_call_prints_is_in_its_log_up_to_a_limit(
    caller: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what C prints, and what the import does; and signals of a terminal are not heard."""
    train = caller("""
        import os, signal
        print("imported")

        def train(lr):
            os.kill(os.getpid(), signal.SIGINT)
            print("from Python")
            os.write(2, b"from C\\n")
            for _ in range(int(lr)):
                os.write(1, b"x" * 99 + b"\\n")
                if _ % 10000 == 0:
                    import time
                    time.sleep(0.25)
            print("the end")
            return 1.0
        """)
    assert numbers(train(0, lr=0))[0] == "complete"
    assert train.log(0) == "imported\nfrom Python\nfrom C\nthe end\n"
    train(1, lr=50_000)
    log = train.log(1)
    assert len(log) < 4 << 20
    assert log.startswith("from Python\n")
    assert "(a part is left out here: a log has 1 MiB)" in log
    assert log.endswith("the end\n")
    longest = []

    def stop() -> bool:
        longest.append(len(train.log(2)))
        return False

    monkeypatch.setattr("shoal.trainable.functions.runner.MAX_RUNNING_LOG", 1 << 20)
    train(2, lr=100_000, stop=stop)  # 10 MB in 2.5 s at the least
    assert max(longest) < 8 << 20
    assert len(train.log(2)) < 4 << 20


def test_a_checkpoint_that_ended_is_not_called_again(caller: Make, tmp_path: Path) -> None:
    """Only its end was not heard."""
    text = """
        def train(lr, *, checkpoint):
            (checkpoint / "model").write_text("whole")
            (checkpoint.parent / "calls").open("a").write("x")
            return {"loss": lr}
        """
    train = caller(text)
    expected = numbers(train(lr=1))
    assert numbers(train(lr=1)) == expected
    assert (tmp_path / "checkpoints/0-0/calls").read_text() == "x"


def test_a_second_attempt_ends_the_first(caller: Make, tmp_path: Path) -> None:
    """A worker that was thought dead and goes on: its commits and reports are refused."""
    text = """
        import time

        def train(lr, *, checkpoint):
            place = checkpoint.parent
            for epoch in range(1, 4):
                (checkpoint / "epoch").write_text(f"{epoch} {lr}")
                if epoch == 2 and lr == 1:
                    (place / "first waits").touch()
                    while not (place / "second is there").exists():
                        time.sleep(0.01)
                if lr == 2:
                    (place / "second is there").touch()
                    while epoch == 2 and not (place / "first has ended").exists():
                        time.sleep(0.01)
                yield {"step": epoch, "loss": lr}
        """
    first, second = caller(text), caller(text)
    place, ended = tmp_path / "checkpoints/0-0", []

    def run_first() -> None:
        ended.append(first(lr=1))
        (place / "first has ended").touch()

    thread = threading.Thread(target=run_first)
    thread.start()
    while not (place / "first waits").exists():
        assert thread.is_alive()
    outcome = second(lr=2)
    thread.join()
    assert (ended[0].stopped, ended[0].fitted) == (True, None)
    assert numbers(outcome)[2] == [1, 2, 3]
    last = committed(place)
    assert last is not None
    assert (last / "files/epoch").read_text() == "3 2"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="it looks at processes")
def test_signals_of_a_batch_job_do_not_end_a_call(caller: Make) -> None:
    """And what it starts hears them again."""
    train = caller("""
        import os, signal, subprocess

        def train(lr):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                os.kill(os.getpid(), number)
            child = subprocess.Popen(["sleep", "600"])
            child.terminate()
            return float(child.wait())
        """)
    assert numbers(train(lr=1))[1] == {"loss": float(-signal.SIGTERM)}


LOSS = {"loss": r"loss: (\S+)"}


def written(tmp_path: Path, text: str) -> str:
    """The path of a shell script."""
    file = tmp_path / "program"
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)
    return str(file)


def test_each_match_is_a_report(tmp_path: Path, program: Make) -> None:
    """Several patterns make one together; lines may end in a carriage return, and the last in
    nothing; standard error is read too."""
    script = written(tmp_path, 'echo "loss: $1"\nprintf "x loss: 2e-1\\rloss: nan" >&2\n')
    run = program(f"{script} {{lr}}", LOSS)
    state, _, steps = numbers(run(lr=0.5))
    assert (state, steps) == ("diverged", [1, 2, 3])
    assert run.log() == "loss: 0.5\nx loss: 2e-1\rloss: nan"

    both = {"step": r"epoch (\d+)", "loss": r"loss (\S+)", "accuracy": r"accuracy ([\d.]+)"}
    script = written(
        tmp_path,
        "for i in 3 4; do echo epoch $i; echo accuracy 0.$i, loss 0.5; done; echo loss 9\n",
    )
    outcome = program(script, both)(lr=1)
    assert numbers(outcome) == ("complete", {"loss": 0.5, "accuracy": 0.4}, [3, 4])


def test_a_program_that_fails_or_prints_nothing_has_failed(tmp_path: Path, program: Make) -> None:
    """With the end of its output in full."""
    script = written(tmp_path, "echo loss: 1\necho oh no\nexit 3\n")
    outcome = program(script, LOSS)(lr=1)
    assert outcome.error == f"{script}: exit code 3"
    assert outcome.details.endswith("loss: 1\noh no")
    outcome = program(written(tmp_path, "kill -SEGV $$\n"), LOSS)(lr=1)
    assert outcome.error == f"{script}: killed by SIGSEGV"
    outcome = program(written(tmp_path, "echo nothing\n"), LOSS)(lr=1)
    assert outcome.error == f"{script} has printed nothing that matches loss=loss: (\\S+)"
    outcome = program(written(tmp_path, "echo loss: low\n"), LOSS)(lr=1)
    assert outcome.error == "what matches --read loss is 'low', not a number"
    outcome = program("no-such-program", LOSS)(lr=1)
    assert outcome.error == "no-such-program cannot be run: No such file or directory"


def test_a_program_is_told_to_stop_and_then_killed(
    tmp_path: Path, program: Make, eventually: Eventually
) -> None:
    """By TERM, with all that it has started; by KILL after its grace."""
    began = tmp_path / "began"
    polite = written(
        tmp_path,
        f"trap 'echo ended; exit 0' TERM\necho loss: 1\ntouch {began}\n"
        "while :; do sleep 0.05; done\n",
    )
    run = program(polite, LOSS)
    outcome = run(lr=1, stop=began.exists)
    assert outcome.stopped
    assert "ended" in run.log()
    began.unlink()
    deaf = written(
        tmp_path,
        f"trap '' TERM\necho loss: 1\necho $$ > {began}.new\nmv {began}.new {began}\n"
        "while :; do sleep 0.05; done\n",
    )
    run = program(deaf, LOSS, grace=0.3)
    assert run(lr=1, stop=began.exists).stopped
    eventually(lambda: not lives(int(began.read_text())))


def test_what_a_program_leaves_running_ends_with_it(
    tmp_path: Path, program: Make, eventually: Eventually
) -> None:
    """It may hold the output open."""
    script = written(tmp_path, f"sleep 600 &\necho $! > {tmp_path}/child\necho loss: 1\n")
    assert numbers(program(script, LOSS)(lr=1))[1] == {"loss": 1.0}
    eventually(lambda: not lives(int((tmp_path / "child").read_text())))


def test_a_program_keeps_a_checkpoint(tmp_path: Path, program: Make) -> None:
    """It is saved at its end, and also before where its reports say their step."""
    script = written(tmp_path, 'echo $2 > $1/model\necho loss: "$2"\n')
    run = program(f"{script} {{checkpoint}} {{lr}}", LOSS)
    assert numbers(run(lr=0.5))[1] == {"loss": 0.5}
    last = committed(tmp_path / "checkpoints/0-0")
    assert last is not None
    assert (last / "files/model").read_text() == "0.5\n"
    began = tmp_path / "began"
    script = written(
        tmp_path,
        "from=$(cat $1/epoch 2>/dev/null || echo 0)\n"
        "for i in 1 2 3 4; do\n"
        '  [ "$i" -gt "$from" ] || continue\n'
        f'  [ "$i$2" = 31.0 ] && touch {began} && sleep 600\n'
        "  echo $i > $1/epoch; echo epoch $i loss: 0.$i; sleep 0.3\n"
        "done\n",
    )
    run = program(f"{script} {{checkpoint}} {{lr}}", {"step": r"epoch (\d+)", **LOSS}, grace=5)
    assert run(1, lr=1.0, stop=began.exists).saved
    assert numbers(run(1, lr=0.0)) == ("complete", {"loss": 0.4}, [1, 2, 3, 4])


def test_a_disk_that_takes_no_checkpoint_is_not_the_calls_doing(
    caller: Make, tmp_path: Path
) -> None:
    """It goes back, and is called again once there is room; what the call itself cannot write is
    its own."""
    train = caller("""
        def train(lr, name, *, checkpoint):
            if lr:
                open("/dev/full", "w").write("x" * 10000)
            (checkpoint / "model").write_text("x")
            if name:
                (checkpoint.parent / ".new-0-1").write_text("in the way")
            yield {"step": 1, "loss": 1.0}
        """)
    outcome = train(lr=0, name="x")
    assert outcome.fault == "its checkpoint cannot be saved: File exists"
    assert (outcome.fitted, outcome.error) == (None, None)
    assert "OSError: [Errno 28] No space left" in str(train(1, lr=1, name="").error)
    assert numbers(train(lr=0, name=""))[0] == "complete"
