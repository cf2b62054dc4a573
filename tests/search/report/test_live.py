"""A page that is live: what it reads, and whom it answers."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pytest

import shoal
from shoal.search.report import Live, Server
from shoal.search.report.following import Following
from shoal.search.request import Request

SPACE = {"lr": "1e-8:1e-4:log"}


class Reader(shoal.Observer):
    """Looks at the run folder whenever rows have come."""

    def begin(self, request: Request, folder: Path) -> None:
        self.following = Following(folder)
        self.seen = [self.following.ended]

    def rows(self, part: pa.Table) -> None:
        if self.following.look():
            self.seen.append(self.following.ended)


def test_what_was_read_once_is_not_read_again(tmp_path: Path) -> None:
    """While a search writes and merges, and the rows are those of the folder in the end."""
    reader = Reader()
    out = tmp_path / "run"
    asked = {"trials": 3000, "steps": 2, "round": 50, "sampler": "random", "engine": "inline"}
    shoal.run("cubic-sine", space=SPACE, out=out, observers=[reader], **asked)
    following = reader.following
    following.look()
    assert following.ended == 3000
    assert not following.look()
    read, there = following.result, shoal.load(out)
    pandas.testing.assert_frame_equal(read.trials, there.trials)
    keys = ["trial", "replicate", "step"]
    curves = [each.curves.sort_values(keys, ignore_index=True) for each in (read, there)]
    pandas.testing.assert_frame_equal(*curves)
    assert following.reads <= 4


def test_rows_that_were_merged_before_they_were_seen_are_read(tmp_path: Path) -> None:
    """The tables are read again then, and only then."""
    out = tmp_path / "run"
    late: list[Following] = []

    class Late(shoal.Observer):
        def begin(self, request: Request, folder: Path) -> None:
            late.append(Following(folder))

    shoal.run(
        "cubic-sine",
        space=SPACE,
        trials=20,
        steps=2,
        engine="inline",
        out=out,
        observers=[Late()],
    )
    (following,) = late
    assert following.ended == 0
    assert following.look()
    assert (following.ended, following.reads) == (20, 2)
    assert not following.look()
    assert following.reads == 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serves the page of a small search."""
    out = tmp_path / "run"
    shoal.run("cubic-sine", space=SPACE, trials=8, steps=2, engine="inline", out=out)
    with Server(Live(out), 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def asked(server: Server, path: str, host: str | None = None) -> tuple[int, str | None, str]:
    """Return status, version and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {} if host is None else {"Host": host}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    told = answer.status, answer.headers["X-Version"], answer.read().decode()
    connection.close()
    return told


def test_only_who_knows_the_token_is_answered(server: Server) -> None:
    """At this machine's own name, or that of a tunnel's end."""
    page = f"/{server.token}/"
    assert server.address == f"http://127.0.0.1:{server.port}{page}"
    assert server.server_address[0] == "127.0.0.1"
    assert asked(server, page)[0] == 200
    assert asked(server, page, "localhost:8000")[0] == 200
    for path in ("/", "/news", "/wrong/", f"/{server.token}", f"{page}other", "//", "/%C3%A9/"):
        assert asked(server, path)[::2] == (404, ""), path
    assert asked(server, page, "evil.example")[0] == 404


def test_what_cannot_be_watched_is_told(server: Server, shell: Callable[..., Any]) -> None:
    """In one line: no run folder, and a port that is taken or none."""
    wrong = {
        ("none",): "does not exist; give a run folder",
        ("run", "--port", str(server.port)): f"cannot listen at port {server.port}",
        ("run", "--port", "70000"): "70000 is not in the range",
    }
    for words, message in wrong.items():
        done = shell("watch", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_news_are_told_once(server: Server) -> None:
    """With the version that they are; then there are none."""
    news = f"/{server.token}/news?after="
    status, version, text = asked(server, news)
    assert status == 200
    known = json.loads(text)
    assert known["standing"].startswith("8 of 8 fits have ended, at ")
    assert "history/all" in known["figures"]
    assert version
    assert asked(server, f"{news}{version}") == (204, None, "")
