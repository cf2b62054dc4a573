"""The commands of this room, in the order in which the help lists them."""

from __future__ import annotations

from shoal.search.command.runs.comparing import compare
from shoal.search.command.runs.completing import completion
from shoal.search.command.runs.listing import list_
from shoal.search.command.runs.removing import remove
from shoal.search.command.runs.showing import show
from shoal.search.command.runs.studies import export, import_

COMMANDS = (list_, show, compare, remove, export, import_, completion)
