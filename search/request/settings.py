"""The settings of a search, one row each: what can be asked, of which type, within which bounds.

From this table the command line has its options, Python its checks, TOML its keys and the
documents their table. A setting of the group ``table`` decides the numbers of a search and is
written into its ``search.toml``; one of the group ``run`` says on what this run is done, and
changes no number.
"""

from __future__ import annotations

from typing import Any

from shoal.search.request.setting import MAX_COUNT, MAX_FACTOR, MAX_WORKERS, Setting

SETTINGS: tuple[Setting, ...] = (
    Setting(name="trials", kind="integer", help="Sets of hyperparameters to try.", default=1024),
    Setting(name="steps", kind="integer", help="Updates of each fit.", default=2000),
    Setting(
        name="epochs",
        kind="integer",
        help="Instead of steps, for minibatches: times that each fit goes through the rows.",
        default=0,
        shown="0: steps counts",
        least=0,
    ),
    Setting(
        name="seed",
        kind="integer",
        help="Decides, with the other arguments, the whole table.",
        default=0,
        least=0,
    ),
    Setting(
        name="sampler",
        kind="choice",
        help=(
            "What proposes the trials; or one of Optuna's, as optuna.samplers.NSGAIISampler, or "
            "FILE.py:FACTORY."
        ),
        default="tpe",
        open=True,
        choices=("tpe", "optuna-tpe", "qmc", "random"),
    ),
    Setting(
        name="replicates",
        kind="integer",
        help="Fits of each trial, from as many initial seeds.",
        default=1,
    ),
    Setting(
        name="objective",
        kind="text",
        help="What is searched for: NAME, NAME:min or NAME:max, loss or one of the metrics.",
        shown="the problem's, else loss:min",
    ),
    Setting(
        name="select",
        kind="choice",
        help="Which reporting step of a fit counts: its last, or the best by the objective.",
        default="last",
        choices=("last", "best"),
    ),
    Setting(
        name="patience",
        kind="integer",
        help="Reporting steps without a better objective after which a fit ends; 0: none does.",
        default=0,
        least=0,
    ),
    Setting(
        name="pruner",
        kind="pruner",
        help="Ends fits that are behind: halving, median or threshold, with parameters as "
        "halving:factor=3,start=50.",
        default="none",
    ),
    Setting(
        name="stop_when",
        kind="ends",
        help=(
            "stalled:N: end once N trials have brought nothing better; below:X, or above:X of what "
            "is maximised: once it is reached. Again for each; or none."
        ),
        shown="none",
    ),
    Setting(
        name="max_updates",
        kind="count",
        help="End once the fits have made so many updates in all, as 1e9; 0: any number.",
        default=0,
        least=0,
        most=MAX_COUNT,
    ),
    Setting(
        name="tries",
        typed="try",
        kind="points",
        help=(
            "NAME=VALUE,NAME=VALUE: a trial to begin with; the sampler has what is not named. "
            "Again for each."
        ),
        shown="none",
    ),
    Setting(
        name="from_",
        typed="from",
        kind="paths",
        help="A run folder whose trials the sampler knows, as far as they fit. Again for each.",
        shown="none",
    ),
    Setting(
        name="folds",
        kind="integer",
        help="Parts of the rows; each is left out of one fit of a trial, to judge it by.",
        default=1,
        shown="1: none is left out",
        most=1000,
    ),
    Setting(
        name="keep",
        kind="many",
        help="Trials whose fitted parameters are kept, the best ones; or all.",
        default=10,
        least=0,
    ),
    Setting(
        name="report",
        kind="integer",
        help="Updates, or epochs where these are given, between two points of a curve.",
        shown="steps or epochs / 20",
    ),
    Setting(
        name="round",
        kind="integer",
        help="Trials asked of the sampler at once.",
        shown="16, later an eighth",
    ),
    Setting(
        name="pack",
        kind="integer",
        help="Fits that one worker runs together.",
        shown="64, later half a round",
    ),
    Setting(
        name="block",
        kind="integer",
        help="Fits in one tensor operation.",
        shown="from the device",
    ),
    Setting(
        name="program",
        kind="choice",
        help="How a step is run; compiled: as machine code.",
        default="auto",
        choices=("auto", "eager", "compiled"),
    ),
    Setting(
        name="diverge_factor",
        kind="number",
        help="A fit whose loss is so many times its first has diverged.",
        default=1000.0,
        shown="1000",
        most=MAX_FACTOR,
    ),
    Setting(
        name="exec",
        kind="text",
        help="A program to call for each trial, as './simulate --lr {lr}', instead of PROBLEM.",
        shown="none",
    ),
    Setting(
        name="read",
        kind="patterns",
        help="NAME=REGEX: a number that the program of --exec prints. Again for each.",
        shown="none",
    ),
    Setting(
        name="cpus",
        kind="integer",
        help="Threads, and cores, of each call of a function or program.",
        default=1,
        most=MAX_WORKERS,
    ),
    Setting(
        name="gpus",
        kind="amount",
        help="GPUs of each call of a function or program, or a share of one, as 0.5.",
        default=0.0,
        shown="0",
        least=0,
        most=MAX_WORKERS,
    ),
    Setting(
        name="out",
        kind="path",
        group="run",
        help="Run folder, new or to go on with.",
        shown="runs/PROBLEM-TIME",
    ),
    Setting(
        name="workers",
        kind="integer",
        group="run",
        help="Packs of fits that run at once.",
        shown="one per GPU, else one per core",
        most=MAX_WORKERS,
    ),
    Setting(
        name="engine",
        kind="choice",
        group="run",
        help="Where fits run; inline: in threads of this process.",
        default="auto",
        choices=("auto", "ray", "inline"),
    ),
    Setting(
        name="address",
        kind="text",
        group="run",
        help="HOST:PORT of a running Ray, or auto.",
        shown="$RAY_ADDRESS",
    ),
    Setting(
        name="checkpoint",
        kind="duration",
        group="run",
        help="Time between checkpoints, or off.",
        default="5m",
    ),
    Setting(
        name="time_budget",
        kind="duration",
        group="run",
        help="How long it may take, as in 90s, 10m or 1h30m.",
        shown="until it is done",
    ),
    Setting(
        name="memory",
        kind="size",
        group="run",
        help="Memory that Ray keeps for each call of a function or program, as 4G.",
        shown="none",
    ),
    Setting(
        name="trial_timeout",
        kind="duration",
        group="run",
        help="How long a call of a function or program may take; then its trial has failed.",
        shown="any time",
    ),
    Setting(
        name="grace",
        kind="duration",
        group="run",
        help="How long a call has to end in, once it is told to stop.",
        default="20s",
    ),
    Setting(
        name="fresh",
        kind="flag",
        group="run",
        help="Give each call of a function or program a new process.",
        default=False,
        shown="no",
    ),
    Setting(
        name="track",
        kind="texts",
        group="run",
        help="jsonl, mlflow, tensorboard or wandb, with :WHERE, or FILE.py:CLASS: told of fits.",
        shown="none",
    ),
    Setting(
        name="trust",
        kind="flag",
        group="run",
        help="Run the code of a run folder that another user could have written.",
        default=False,
        shown="no",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

OF_TABLE = tuple(setting for setting in SETTINGS if setting.group == "table")
"""Those that decide a search's table."""

OF_RUN = tuple(setting for setting in SETTINGS if setting.group == "run")


def check_settings(given: dict[str, Any]) -> None:
    """Check the types and bounds of those values that are there.

    Raises:
        BadInput: one is wrong.
    """
    for setting in SETTINGS:
        if setting.name in given:
            setting.check(given[setting.name])
