"""``shoal completion``, and values that a shell completes: run folders and problems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from shoal.search.command.terminal import printed
from shoal.search.errors import BadInput
from shoal.search.request import PathGiven

SHELLS = ("bash", "zsh", "fish")


MAX_ENTRIES = 10_000
"""Entries of a folder that are looked at."""


class RunGiven(PathGiven):
    """A run folder, which a shell completes: those in the folder that is typed, and in runs/."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return run folders; where there are none, the shell completes any folder."""
        usual = (name for name in _below("runs/") if name.startswith(incomplete))
        if found := sorted({*_below(incomplete), *usual}):
            return [CompletionItem(name) for name in found]
        return [CompletionItem(incomplete, type="dir")]


def _below(text: str) -> Iterator[str]:
    """The run folders whose path begins with a text."""
    place, _, begin = text.rpartition("/")
    with suppress(OSError), os.scandir(os.path.expanduser(place) or ".") as entries:
        for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
            if entry.name.startswith(begin) and Path(entry.path, "search.toml").is_file():
                yield f"{place}/{entry.name}" if place else entry.name


def complete_problem(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Return the problems that ship, and files of the user's own."""
    from shoal.trainable.problems import PROBLEMS

    known = [name for name in PROBLEMS if name.startswith(incomplete)]
    return known or [CompletionItem(incomplete, type="file")]


def complete_storage(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the beginnings of storages; no shell completes a file behind them."""
    return [kind for kind in ("journal:", "sqlite:///") if kind.startswith(incomplete)]


@click.command()
@click.argument("shell", metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, problems, run folders and choices.

    For bash and zsh, a line of ~/.bashrc, or of ~/.zshrc after compinit:
    eval "$(shoal completion bash)"; for fish:
    shoal completion fish > ~/.config/fish/completions/shoal.fish
    """
    kind = get_completion_class(shell) if shell in SHELLS else None
    if kind is None:
        raise BadInput(f"unknown shell {shell!r}; known: {', '.join(SHELLS)}")
    made = kind(context.find_root().command, {}, "shoal", "_SHOAL_COMPLETE")
    source = made.source_template % made.source_vars()  # bash's own source() asks bash its version
    printed(source)
