"""A live page on this machine alone: who knows its address sees a search go on."""

from __future__ import annotations

import secrets
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shoal.search.errors import BadInput, SearchError
from shoal.search.report.following import Following
from shoal.search.report.page import document, news, plotly
from shoal.search.report.sections import sections

HOST = "127.0.0.1"

NAMES = (HOST, "localhost", "[::1]")
"""What a browser on this machine, or at the end of a tunnel, calls it."""

REST = 4.0
"""After the page is made, so many times as long nothing is made: a fifth of a core at the most."""


class Live:
    """The page of a search that may still be running, made when somebody asks for it."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            SearchError: it is no run folder, or damaged; or Plotly is missing.
        """
        plotly()
        self._name = path.resolve().name or "search"
        self._following = Following(path)
        self._lock = threading.Lock()
        self._news, self._built, self._next, self._error = "", "", 0.0, ""

    def page(self, address: str) -> str:
        """The page as it is now; it asks `address` for what is new."""
        with self._lock:
            made = sections(self._following.result)
        return document(f"{self._name}, live", made, live=address)

    def news(self, after: str) -> tuple[str, str] | None:
        """Return a version and what the page shows then; None: `after` is the newest."""
        with self._lock:
            if time.monotonic() >= self._next:
                self._look()
            return None if after == self._built else (self._built, self._news)

    def _look(self) -> None:
        began = time.monotonic()
        error = ""
        try:
            fresh = self._following.look()
        except (SearchError, OSError) as reason:  # while a file is replaced, or for good
            fresh, error = False, str(reason)
        if fresh or error != self._error or not self._built:
            self._error = error
            result = self._following.result
            standing = f"{result.ended:,} of {result.asked:,} fits have ended"
            standing += f"; {error}" if error else f", at {time.strftime('%H:%M:%S')}"
            self._news = news(sections(result), standing)
            self._built = secrets.token_hex(4)
        now = time.monotonic()
        self._next = now + REST * (now - began)


class Server(ThreadingHTTPServer):
    """Serves a live page, at an address with a token that nobody can guess.

    Attributes:
        address: of the page.
    """

    daemon_threads = True

    def __init__(self, live: Live, port: int) -> None:
        """Listen; 0: at any free port.

        Raises:
            BadInput: the port is taken, or not allowed.
        """
        self.live, self.token = live, secrets.token_urlsafe(16)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise BadInput(f"cannot listen at port {port}: {error.strerror}") from error
        self.port = self.server_address[1]
        self.address = f"http://{HOST}:{self.port}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing is told of a browser that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer who knows the token; there is nothing else."""
        asked = urlsplit(self.path)
        parts = asked.path.split("/")
        token, what = parts[1:] if len(parts) == 3 else ("", "")
        host = self.headers.get("Host", "")
        known = secrets.compare_digest(token.encode(), self.server.token.encode())
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if not known or name not in NAMES:
            self._answer(HTTPStatus.NOT_FOUND)
        elif what == "":
            self._answer(HTTPStatus.OK, "text/html", self.server.live.page("news"))
        elif what == "news":
            told = self.server.live.news(*parse_qs(asked.query).get("after", [""])[:1])
            if told is None:
                self._answer(HTTPStatus.NO_CONTENT)
            else:
                self._answer(HTTPStatus.OK, "application/json", told[1], told[0])
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed for each answer."""

    def _answer(
        self, status: HTTPStatus, kind: str = "", text: str = "", version: str = ""
    ) -> None:
        content = text.encode()
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
        if version:
            self.send_header("X-Version", version)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)
