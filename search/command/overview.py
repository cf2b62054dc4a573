"""``shoal --help``: the commands by what they are for, each in a line that no terminal cuts."""

from __future__ import annotations

import click

SECTIONS: dict[str, dict[str, str]] = {
    "Search": {
        "run": "Search, or go on with a search.",
        "fit": "Fit once, or fit a trial of a search again.",
        "explain": "Tell how fits would run, and why.",
    },
    "Read": {
        "results": "Show the trials of a run folder.",
        "report": "Write the page of a search: one HTML file.",
        "watch": "Show that page in a browser while it runs.",
        "predict": "Predict for new rows by a fitted model.",
        "list": "List run folders.",
        "show": "Show what a run folder is.",
        "compare": "Compare run folders.",
        "remove": "Remove run folders, after asking.",
    },
    "Batch jobs": {
        "submit": "Submit a search, fit, cluster or doctor.",
        "status": "Show where a search and its job stand.",
        "logs": "Print what a search has said.",
        "cancel": "End the job of a run folder.",
        "attach": "Search on the cluster of a job.",
        "script": "Print a batch script to edit.",
        "doctor": "Look at this node, and say what is wrong.",
    },
    "Optuna, and the shell": {
        "export": "Write the trials as a study of Optuna's.",
        "import": "Make a run folder of a study of Optuna's.",
        "completion": "Print what completes commands in a shell.",
    },
}
"""The commands, by what they are for."""


def write_commands(formatter: click.HelpFormatter) -> None:
    """Write the commands of `SECTIONS`, with a heading for each group."""
    width = max(len(name) for section in SECTIONS.values() for name in section)
    for heading, commands in SECTIONS.items():
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(width), told) for name, told in commands.items()])
