"""What is settled where a compiled program cannot be run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shoal.search.programs import settling

CASE: Any = SimpleNamespace(lanes=lambda shape: None, required=False)


def fails(program: object, lanes: object) -> None:
    raise RuntimeError("no such operator\nand a stack of calls")


def test_pieces_that_do_not_run_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search goes on as without it, and says so; of a kernel it would be a fault of its own."""
    monkeypatch.setattr(settling, "difference", fails)
    program: Any = None
    meanwhile: Any = None
    settled = settling._Settling(CASE, [{}], meanwhile)
    settled._compare({}, program, "pieces")
    programs, (note,) = settled.result()
    assert programs.programs == {}
    assert note.startswith("in pieces it does not run (RuntimeError: no such")
    assert note.endswith("; it runs uncompiled, which is slower")
    assert "\n" not in note
    with pytest.raises(RuntimeError, match="no such operator"):
        settled._compare({}, program, "kernel")
