"""``shoal watch``: the page of a search while it runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import click

from shoal.search.request import PathGiven

NICENESS = 10
"""The search comes first."""


@click.command()
@click.argument("folder", type=PathGiven())
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where it listens.  [any free port]"
)
def watch(folder: Path, port: int) -> None:
    """Show the page of a search while it runs, in a browser.

    It listens on this machine alone, and its address has a token. From elsewhere: the line of ssh
    that it prints. It reads the run folder, and never writes. Ctrl-C ends it.
    """
    from shoal.search.report import Live, Server

    os.nice(NICENESS)
    with Server(Live(folder), port) as server:
        at = f"{server.port}:127.0.0.1:{server.port}"
        click.echo(f"page    {server.address}")
        click.echo(f"tunnel  ssh -L {at} {platform.node()}")
        server.serve_forever()
