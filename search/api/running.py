"""`run` and `extend`: a search, from Python."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.search.driver import Report, run_prepared
from shoal.search.engines import CHECKPOINT_SECONDS, GRACE_SECONDS, RunOptions
from shoal.search.errors import BadInput, Interrupted, Suspended
from shoal.search.folder import RunFolder, free
from shoal.search.preparation import prepare
from shoal.search.request import Asked, given_path
from shoal.search.results import Result
from shoal.search.trackers import observing
from shoal.search.watching import Observer, Silent, choose
from shoal.trainable.errors import TrainableError
from shoal.trainable.memory import Generated, given_problem
from shoal.trainable.modules import path_read


def run(
    problem: object = None,
    *,
    space: Mapping[str, Any] | None = None,
    trials: int | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    sampler: str | Callable[..., Any] | None = None,
    replicates: int | None = None,
    objective: str | None = None,
    select: str | None = None,
    patience: int | None = None,
    pruner: str | None = None,
    stop_when: str | Sequence[str] | None = None,
    max_updates: float | None = None,
    tries: Sequence[str | Mapping[str, Any]] | None = None,
    from_: str | Path | Sequence[str | Path] | None = None,
    folds: int | None = None,
    keep: int | str | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    engine: str = "auto",
    address: str | None = None,
    report: int | None = None,
    round: int | None = None,
    pack: int | None = None,
    block: int | None = None,
    program: str | None = None,
    diverge_factor: float | None = None,
    exec: str | None = None,
    read: Mapping[str, str] | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    checkpoint: str | float | None = CHECKPOINT_SECONDS,
    time_budget: str | float | None = None,
    memory: str | int | None = None,
    trial_timeout: str | float | None = None,
    grace: str | float = GRACE_SECONDS,
    fresh: bool = False,
    track: str | Sequence[str] | None = None,
    progress: bool = False,
    observers: Sequence[Observer] = (),
    trust: bool = False,
) -> Result:
    """Search, or go on with the search that `out` holds, and return its result.

    Args:
        problem: a name, ``module:Class`` or ``file.py:Class``; ``cubic-sine`` if absent. Or a class
            itself, also one of a notebook's cell, or an instance with its data. Or a function of a
            file, which is called for each fit and returns or yields its numbers.
        space: hyperparameters, each with its values: text such as ``"1e-8:1e-4:log"``, a number, a
            list of choices, or an Optuna distribution. The problem's default space has the rest.
        trials: hyperparameter sets; 1024 if absent. Where `out` has fewer, it goes on to so many.
        steps: updates of each fit; 2000 if absent.
        epochs: instead of `steps`, where the problem takes batches: times through the rows.
        seed: decides, with the other arguments, every number of the table.
        sampler: ``tpe``, ``optuna-tpe``, ``qmc`` or ``random``; or one of Optuna's, by its class or
            name, or what makes one of a seed, ``"my.py:make_sampler"``.
        replicates: fits of each set, from the initial parameters of seeds seed, seed + 1, …
        objective: what is searched for, ``"accuracy:max"`` or ``"validation_loss"``; the problem's,
            else the lowest loss, if absent.
        select: which reporting step of a fit counts: ``last``, or ``best`` by the objective.
        patience: reporting steps without a better objective after which a fit ends; 0: none does.
        pruner: ends fits that are behind: ``halving``, ``median`` or ``threshold``, with parameters
            as in ``halving:factor=3,start=50``; ``none``: nothing does.
        stop_when: ``"stalled:200"``: the search ends once 200 trials have brought nothing better;
            ``"below:8.82"``, or ``above`` of what is maximised; a list of these, or ``"none"``.
        max_updates: the search ends once its fits have made so many updates in all; 0: any number.
        tries: trials to begin with, ``{"lr": 2e-6}`` or ``"lr=2e-6"`` each; the sampler has what is
            not named. With the objective, as ``{"lr": 2e-6, "loss": 8.9}``, nothing is run, and the
            sampler knows it.
        from_: a run folder, or several, whose trials the sampler knows, as far as they fit.
        folds: parts of the rows, of which each fit of a trial leaves one out and is judged by it.
        keep: of how many trials the fitted parameters are kept, the best ones; or ``all``.
        out: the run folder, where ``~`` is the home folder; a new one in ``runs/`` if absent.
        workers: packs at once; one per GPU, else one per core, if absent.
        engine: ``auto``, ``ray`` or ``inline``.
        address: HOST:PORT of a running Ray, or ``auto``.
        report: updates (with `epochs`: epochs) between two points of the curves; a twentieth of
            `steps` or `epochs` if absent.
        round, pack, block: trials asked at once, lanes a device runs together, lanes in one tensor
            operation; from `trials` and the kind of device if absent.
        program: ``eager``, ``compiled``, or ``auto``, which is what it is if absent.
        diverge_factor: a fit whose loss exceeds this many times its first has diverged.
        exec: instead of a problem, a program to call for each fit, ``"./simulate --lr {lr}"``.
        read: for each number that it prints, a regular expression whose first group it is.
        cpus, gpus: threads, and GPUs or a share of one, of each call of a function or a program.
        checkpoint: time between checkpoints of a pack, in seconds or as in ``"5m"``; None: none.
        time_budget: how long the search may take, likewise; None: until it is whole.
        memory: that Ray keeps for each call, in bytes or as in ``"4G"``.
        trial_timeout: how long a call may take; then its trial has failed. None: any time.
        grace: how long a call has to end in, once it is told to stop.
        fresh: whether each call has a new process.
        track: trackers that are told of fits, ``"mlflow"``, ``"jsonl:all.jsonl"``, ``"my.py:Own"``.
        progress: whether it is shown on standard error. observers: who else is told of it.
        trust: whether code of a run folder may run that another user could have written.

    Ctrl-C saves what is in flight and ends in KeyboardInterrupt, twice at once. SIGTERM, SIGHUP and
    SIGUSR1 end the program as they would without a search, after saving. Signals that the program
    ignores or has handlers for are left to it, and so are all in another thread than the main one.

    Raises:
        BadInput: what is asked cannot be done; nothing was made or changed.
        SearchError: the search could not end; what is done stays, and the same call goes on.
        Interrupted: Ctrl-C; it is a KeyboardInterrupt.
    """
    began = time.monotonic()
    named, generated = _named(problem)
    asked = Asked(
        problem=named,
        space=space,
        trials=trials,
        steps=steps,
        epochs=epochs,
        seed=seed,
        sampler=_named_sampler(sampler),
        replicates=replicates,
        objective=objective,
        select=select,
        patience=patience,
        pruner=pruner,
        stop_when=stop_when,
        max_updates=max_updates,
        tries=tries,
        from_=from_,
        folds=folds,
        keep=keep,
        report=report,
        round=round,
        pack=pack,
        block=block,
        program=program,
        diverge_factor=diverge_factor,
        exec=exec,
        read=read,
        cpus=cpus,
        gpus=gpus,
    )
    options = RunOptions.of(
        engine=engine,
        workers=workers,
        address=address,
        checkpoint=checkpoint,
        time_budget=time_budget,
        memory=memory,
        trial_timeout=trial_timeout,
        grace=grace,
        fresh=fresh,
        patient=True,
        typed=False,
    )
    shown = choose(quiet=False) if progress else Silent()
    try:
        result, _ = search(
            asked,
            options,
            out=None if out is None else given_path("out", out),
            trust=trust,
            observers=(shown, *observers),
            track=track,
            told=progress,
            began=began,
            generated=generated,
        )
    except (Interrupted, Suspended) as error:
        if error.number not in (None, signal.SIGINT):
            signal.raise_signal(error.number)  # it would have ended the program, and ends it now
        raise
    return result


def extend(
    path: str | Path,
    *,
    trials: int | None = None,
    replicates: int | None = None,
    tries: Sequence[str | Mapping[str, Any]] | None = None,
    **how: Any,
) -> Result:
    """Go on with a search, finished or not, which is to have more than was asked for.

    Args:
        path: the run folder.
        trials, replicates: how many it has then, of all, those that are there with them.
        tries: points that are tried next, as `run` takes them.
        how: what else comes with more trials, such as ``stop_when`` and ``from_``; and how it
            runs, as `run` takes it, such as ``workers`` and ``progress``.

    Raises:
        BadInput: there is no such search, or it has more already; nothing was changed.
    """
    RunFolder.open(given_path("path", path))
    if all(each is None for each in (trials, replicates, tries)):
        raise BadInput(
            "say what there is to be more of: trials, as trials=4096, replicates, or tries"
        )
    return run(out=path, trials=trials, replicates=replicates, tries=tries, **how)


def search(
    asked: Asked,
    options: RunOptions,
    *,
    out: Path | None,
    trust: bool,
    observers: Sequence[Observer],
    track: str | Sequence[str] | None,
    told: bool,
    began: float,
    generated: Generated | None = None,
) -> tuple[Result, Report]:
    """Run a search, for `run` and for the command line alike.

    Args:
        out: absolute; None: a new folder. observers, track: who is told meanwhile.
        told: whether the user sees what is compiled before the search begins.
        began: when the search began, of ``time.monotonic()``.
        generated: the problem, where it is a class in memory.

    Raises:
        SearchError: as `run` does.
    """
    meanwhile = options.meanwhile(began, told)
    everyone = observing(track, observers)
    prepared = prepare(asked, out, trust, meanwhile, generated)
    place = out or new_folder(prepared.request.problem)
    folder, report = run_prepared(prepared, place, options, everyone, began)
    return Result(folder), report


def _named_sampler(sampler: Any) -> Any:
    """The name of a sampler, or of what makes one."""
    if not (callable(sampler) or hasattr(sampler, "sample_independent")):
        return sampler
    from shoal.search.samplers.studies import name_of  # it loads Optuna

    return name_of(sampler)


def _named(problem: object) -> tuple[str | None, Generated | None]:
    """The name of a problem, and its module where it is a class in memory.

    Raises:
        BadInput: it is no problem, or what it uses cannot be taken along.
    """
    if problem is None or isinstance(problem, str):
        return problem, None
    try:
        given = given_problem(problem)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    if given is None:
        allowed = "a name, module:Class, file.py:Class, a class, an instance of one, or a function"
        raise BadInput(f"problem must be {allowed}, not {problem!r}")
    return (given.spec, given) if isinstance(given, Generated) else (given, None)


def new_folder(problem: str) -> Path:
    """Return the path of a new run folder in ``runs/``, named by the problem and the time.

    Raises:
        BadInput: the folder where the user stands is gone.
    """
    name = path_read(problem).rpartition(":")[2]
    return free(given_path("out", "runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
