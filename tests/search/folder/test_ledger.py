"""The ledger: a file is read if it is what was written, and else one line says what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from io import BufferedReader
from pathlib import Path

import pytest

from shoal.search.errors import RunFolderError
from shoal.search.folder import ledger

BEFORE, AFTER = b"rows of before", b"rows of after"


def sha256(body: bytes) -> str:
    """The digest by another way."""
    return hashlib.sha256(body).hexdigest()


def written(folder: Path, body: bytes, *digests: str) -> None:
    """A run folder with one file, and what the ledger says of it."""
    (folder / "trials.parquet").write_bytes(body)
    (folder / ledger.NAME).write_text(json.dumps({"trials.parquet": list(digests)}))


def body_of(handle: BufferedReader) -> bytes:
    """What a reader makes of an open file: here all of it."""
    return handle.read()


def test_digests_are_those_of_sha256(tmp_path: Path) -> None:
    """Of a file, and of an open one from where it stands."""
    (tmp_path / "file").write_bytes(b"one two")
    assert ledger.digest_of(tmp_path / "file") == sha256(b"one two")
    with open(tmp_path / "file", "rb") as handle:
        handle.seek(4)
        assert ledger.hashed(handle) == sha256(b"two")


def test_a_file_is_read_as_what_is_about_to_be_there_or_as_what_was_before(tmp_path: Path) -> None:
    """Two files cannot be replaced in one moment: either is good, from its beginning."""
    for body in (BEFORE, AFTER):
        written(tmp_path, body, sha256(AFTER), sha256(BEFORE))
        assert ledger.checked(tmp_path, "trials.parquet", body_of) == body


def test_a_file_that_is_being_replaced_is_read_again(tmp_path: Path) -> None:
    """The ledger knows the new one a moment later."""
    written(tmp_path, AFTER, sha256(BEFORE))

    def late() -> None:
        time.sleep(2 * ledger.PAUSE_SECONDS)
        beside = tmp_path / "beside"
        beside.write_text(json.dumps({"trials.parquet": [sha256(AFTER)]}))
        os.replace(beside, tmp_path / ledger.NAME)

    thread = threading.Thread(target=late)
    thread.start()
    try:
        assert ledger.checked(tmp_path, "trials.parquet", body_of) == AFTER
    finally:
        thread.join()


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_is_not_what_was_written_is_never_used(tmp_path: Path, known: bool) -> None:
    """Changed by one byte, or unknown to the ledger; nothing is made of it."""
    written(tmp_path, BEFORE + b".", *([sha256(BEFORE)] if known else []))
    used: list[BufferedReader] = []
    with pytest.raises(RunFolderError, match=r"trials\.parquet is damaged: .* another --out$"):
        ledger.checked(tmp_path, "trials.parquet", used.append)
    assert used == []


def test_a_missing_file_and_a_missing_ledger_are_named(tmp_path: Path) -> None:
    """Each by its path, with what to do."""
    with pytest.raises(RunFolderError, match=r"digests\.json is missing; put it back"):
        ledger.read(tmp_path)
    written(tmp_path, BEFORE, sha256(BEFORE))
    (tmp_path / "trials.parquet").unlink()
    with pytest.raises(RunFolderError, match=r"trials\.parquet is missing; put it back"):
        ledger.checked(tmp_path, "trials.parquet", body_of)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", '{"trials.parquet": "abc"}', "[" * 100_000, '"\\ud800', "\x00"]
)
def test_a_damaged_ledger_is_one_line(tmp_path: Path, text: str) -> None:
    """Whatever stands in it instead of lists of digests."""
    (tmp_path / ledger.NAME).write_text(text)
    with pytest.raises(RunFolderError, match=r"digests\.json is damaged; put it back"):
        ledger.read(tmp_path)


def test_a_part_is_what_its_own_name_says(tmp_path: Path) -> None:
    """16 digits of its digest; None where a merge has taken it away."""
    parts = tmp_path / "parts"
    parts.mkdir()
    name = ledger.part_name("r000001-p000002", 3, sha256(AFTER))
    assert name == f"r000001-p000002+3.{sha256(AFTER)[:16]}.parquet"
    assert ledger.part_name("r000001-p000002", 0, sha256(AFTER)) == name.replace("+3", "")
    file = parts / name
    assert ledger.checked_part(file, body_of) is None
    file.write_bytes(AFTER)
    assert ledger.checked_part(file, body_of) == AFTER
    file.write_bytes(BEFORE)
    with pytest.raises(RunFolderError, match=rf"{re.escape(name)} is damaged; remove it and run"):
        ledger.checked_part(file, body_of)
    with pytest.raises(RunFolderError, match=r"notes\.txt is no part of this search; move it away"):
        ledger.checked_part(parts / "notes.txt", body_of)
