"""The table of settings, and all that is made from it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import click
import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.engines.options import CHECKPOINT_SECONDS, seconds_of
from shoal.search.request.asked import Asked, Resolved
from shoal.search.request.request import Request
from shoal.search.request.settings import BY_NAME, OF_TABLE, SETTINGS


def test_the_command_line_has_each_setting_and_its_help() -> None:
    """And besides them only what is no setting of a search."""
    options = {option.name: option for option in main.commands["run"].params}
    for setting in SETTINGS:
        option = options.pop(setting.name)
        assert isinstance(option, click.Option)
        assert option.opts == [setting.option]
        assert (option.help or "").startswith(setting.help)
    assert set(options) == {"problem", "space", "config", "quiet", "as_json"}


def test_pythons_signature_has_each_setting() -> None:
    """With the defaults of the table; of those that decide a search's table None, that is: absent,
    since a search that goes on has values of its own."""
    given = inspect.signature(shoal.run).parameters
    assert set(given) - {"problem", "space", "progress", "observers"} == set(BY_NAME)
    for setting in SETTINGS:
        default = given[setting.name].default
        if setting.kind == "duration" and setting.default is not None:
            assert default == seconds_of(setting.name, setting.default)
        elif setting.group == "run":
            assert default == setting.default
        else:
            assert default is None
    assert seconds_of("checkpoint", BY_NAME["checkpoint"].default) == CHECKPOINT_SECONDS


def test_toml_and_the_request_have_each_setting_of_a_table() -> None:
    """By the same names."""
    names = {setting.name for setting in OF_TABLE}
    assert {each.name for each in fields(Asked)} == names | {"problem", "space"}
    assert {each.name for each in fields(Resolved)} == names | {"problem"}
    assert names <= {each.name for each in fields(Request)}


def test_a_settings_choices_are_completed_where_they_are_typed() -> None:
    """By the shell."""
    option = next(o for o in main.commands["run"].params if o.name == "sampler")
    context = click.Context(main.commands["run"])
    found = [item.value for item in option.type.shell_complete(context, option, "")]
    assert found == list(BY_NAME["sampler"].choices)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_is_within_its_bounds(setting: object) -> None:
    """Where there is one."""
    assert isinstance(setting, type(SETTINGS[0]))
    if setting.default is not None:
        setting.check(setting.default)


def test_what_is_typed_wins_over_a_file_name_by_name() -> None:
    """Also in the space."""
    file = Asked.of({"trials": 8, "steps": 5, "space": {"lr": "0:1", "momentum": 0.9}})
    typed = Asked(trials=9, space={"lr": 0.5})
    both = typed.over(file)
    assert (both.trials, both.steps) == (9, 5)
    assert both.space == {"lr": 0.5, "momentum": 0.9}


def test_the_documents_table_has_each_settings_row() -> None:
    """Word by word; a change here is to be copied there."""
    page = Path(__file__).parents[3] / "docs" / "settings.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [setting.row for setting in SETTINGS if setting.row not in lines] == []
