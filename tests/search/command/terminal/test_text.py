"""Tables, and numbers with their units."""

from __future__ import annotations

import pytest

from shoal.search.command.terminal.text import age, cut, size, table


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (49_400, "49.4 kB"),
        (1_234_567, "1.23 MB"),
        (5e12, "5 TB"),
    ],
)
def test_a_size_is_told_in_the_units_of_disks(count: float, text: str) -> None:
    """Three digits, in powers of 1000."""
    assert size(int(count)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "60 s"), (60, "1 min"), (7199, "1 h"), (86400 * 3.5, "3 d")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    """Rounded down, but for seconds."""
    assert age(seconds) == text


def test_a_table_has_even_columns_and_no_line_too_many_characters() -> None:
    """Words begin at the left, numbers end at the right; what is too long is cut and says so."""
    rows = [("run", "trials"), ("runs/first", "1,024"), ("b", "8")]
    assert table(rows) == "run         trials\nruns/first   1,024\nb                8"
    assert table(rows, most=14).splitlines()[1] == "runs/first   …"
    assert cut("four", 4) == "four"
    assert cut("fours", 4) == "fou…"
