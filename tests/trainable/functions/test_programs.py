"""Programs: their output is read while they run, and none outlives its trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shoal.trainable.functions.saving import committed
from tests.trainable.functions.conftest import Caller, lives, numbers

Make = Callable[..., Caller]
Eventually = Callable[..., None]

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
