"""What functions declare, and commands."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from shoal.trainable.errors import ContractError, SourceError
from shoal.trainable.functions.command import Command
from shoal.trainable.functions.declared import declared


def test_hyperparameters_are_those_that_shoal_does_not_give() -> None:
    """With their defaults; the others are asked for."""

    def train(lr, /, width=32, *, seed, checkpoint=None, stop=None, **more):  # type: ignore[no-untyped-def]  # as a user writes it
        return lr

    found = declared(train)
    assert (found.needed, found.own, found.any) == (("lr",), {"width": 32}, True)
    assert found.asks == ("seed", "checkpoint", "stop")


def test_a_decorated_function_is_what_it_wraps() -> None:
    """By its signature."""

    def twice(function: Any) -> Any:
        @functools.wraps(function)
        def inner(*given: Any, **named: Any) -> Any:
            return function(*given, **named)

        return inner

    @twice
    def train(lr, width=2):  # type: ignore[no-untyped-def]  # as a user writes it
        return lr

    assert declared(train).needed == ("lr",)
    assert declared(train).own == {"width": 2}


async def asynchronous(lr: float) -> float:
    return lr


async def asynchronous_too(lr: float):  # type: ignore[no-untyped-def]  # as a user writes it
    yield lr


def many(*lr: float) -> float:
    return lr[0]


def stepped(lr: float, step: int) -> float:
    return lr * step


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (asynchronous, "asynchronous is async; write it with def, without await"),
        (asynchronous_too, "asynchronous_too is async"),
        (many, "many takes *lr; name each hyperparameter instead"),
        (stepped, "stepped takes step, which is a part of its reports"),
    ],
)
def test_what_cannot_be_called_is_refused_with_its_line(function: Any, told: str) -> None:
    """Before anything starts."""
    line = f"{__file__}:{function.__code__.co_firstlineno}: "
    with pytest.raises(ContractError, match=f"^{re.escape(line)}.*{re.escape(told)}"):
        declared(function)


READS = {"loss": r"loss: (\S+)"}


def test_a_command_is_split_without_a_shell_and_braces_are_doubled() -> None:
    """Quotes hold words together; a value is one word, whatever is in it."""
    command = Command(text="./run --name '{name} x' {{a}} --lr={lr}", reads=READS)
    assert command.names == ["name", "lr"]
    words = command.words({"name": "; rm -rf *", "lr": 1e-05})
    assert words == ["./run", "--name", "; rm -rf * x", "{a}", "--lr=1e-05"]


def test_a_command_says_what_stands_in_the_place_of_what_a_trial_does_not_have() -> None:
    """As it is written, or as its format has it."""
    command = Command(text="./run {lr} -w {width=64} --p={p=1e-3:.4f} '{kind=a b}'", reads=READS)
    assert command.names == ["lr", "width", "p", "kind"]
    assert command.defaults == {"width": "64", "p": "1e-3", "kind": "a b"}
    assert command.words({"lr": 0.5}) == ["./run", "0.5", "-w", "64", "--p=0.0010", "a b"]
    own = {"lr": 0.5, "width": 8, "p": 0.25, "kind": "c"}
    assert command.words(own) == ["./run", "0.5", "-w", "8", "--p=0.2500", "c"]
    command.check()
    assert Command(text="./run {width=}", reads=READS).words({}) == ["./run", ""]


@pytest.mark.parametrize(
    ("text", "reads", "told"),
    [
        ("./run {a=1} {a=2}", READS, "a is '1' and '2' in a trial without it"),
        ("./run {=1}", READS, "{} is no name"),
        ("", READS, "--exec is empty"),
        ("./run '{lr}", READS, "No closing quotation"),
        ("./run {lr", READS, "expected '}' before end of string"),
        ("./run {0}", READS, "{0} is no name of a hyperparameter"),
        ("./run {lr.real}", READS, "{lr.real} is no name of a hyperparameter"),
        ("./run {}", READS, "{} is no name"),
        ("./run {lr}", {}, "--exec needs --read"),
        ("./run {lr}", {"step": "x"}, "nothing but step"),
        ("./run {lr}", {"loss": "("}, "--read loss=(: "),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    text: str, reads: dict[str, str], told: str
) -> None:
    """In one line."""
    with pytest.raises(SourceError, match=re.escape(told)):
        Command(text=text, reads=reads).check()


def test_a_program_is_there_and_known_by_its_content(tmp_path: Path) -> None:
    """Its files' too, as of a script that an interpreter runs."""
    with pytest.raises(SourceError, match="no program no-such-program"):
        Command(text="no-such-program {lr}", reads=READS).hashed(str(tmp_path))
    with pytest.raises(SourceError, match=r"\./run is no program here"):
        Command(text="./run {lr}", reads=READS).hashed(str(tmp_path))
    script = tmp_path / "run.py"
    script.write_text("1")
    command = Command(text="sh run.py {lr}", reads=READS)
    before = command.hashed(str(tmp_path))
    assert command.hashed(str(tmp_path)) == before
    script.write_text("2")
    assert command.hashed(str(tmp_path)) != before
