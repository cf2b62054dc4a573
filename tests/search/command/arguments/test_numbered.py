"""An array job's ``{task}`` in a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.search.command.arguments import asked_of
from shoal.search.errors import BadInput
from shoal.slurm.errors import BadInput as NoArray


def asked_seed(config: Path, text: str) -> int | None:
    """The seed that a file of this text asks for."""
    config.write_text(text)
    return asked_of(None, (), config, {}).seed


def test_a_seed_may_be_the_number_of_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line; elsewhere it is refused in the same line, and so is what is no number
    with it, or has no ``{task}``."""
    config = tmp_path / "search.toml"
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    with pytest.raises(NoArray, match="is the number of a task, and this is no array job"):
        asked_seed(config, 'seed = "{task}"')
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    assert asked_seed(config, 'seed = "{task}"') == 7
    assert asked_seed(config, 'seed = "1{task}"') == 17
    assert asked_seed(config, "seed = 3") == 3
    for text, told in (('"x{task}"', "'x7'"), ('"7"', "'7'"), ('["{task}"]', r"\['{task}'\]")):
        with pytest.raises(BadInput, match=f"seed must be a whole number, not {told}"):
            asked_seed(config, f"seed = {text}")
