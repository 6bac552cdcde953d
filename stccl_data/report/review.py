"""Review pairs in a browser: the pages of a report, served to this machine alone.

The server listens on the loopback address. Every address starts with a random token, so another
user or page of this machine cannot reach it, and the one file that it writes is verdicts.csv.
"""

import json
import secrets
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stccl_data.pairs.verdicts import (
    DECISIONS,
    PairIds,
    Verdict,
    read_verdicts,
    write_verdicts,
)

HOST = "127.0.0.1"
_MOST_BYTES = 4096  # of a verdict


class ReviewServer(ThreadingHTTPServer):
    """Serves the pages of a report and records verdicts about its pairs."""

    daemon_threads = True

    def __init__(
        self, out: Path, folder: Path, pairs: Iterable[PairIds], who: str, port: int = 0
    ) -> None:
        """Listen, but answer nothing before `serve_forever`.

        Args:
            out: the dataset, whose verdicts.csv is written.
            folder: the pages.
            pairs: the pairs that may get a verdict.
            who: name of the person.
            port: 0 for any that is free.

        Raises:
            VerdictsError: verdicts.csv cannot be read.
            OSError: the port is in use.
        """
        self.token = secrets.token_urlsafe(16)
        self.folder = folder
        self.who = who
        self._out, self._pairs = out, frozenset(pairs)
        self._lock = threading.Lock()
        read_verdicts(out)
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """The page to open."""
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/index.html"

    def verdicts(self) -> dict[str, str]:
        """Return the verdicts so far: source and target, joined by a line break, to the verdict."""
        return {"\n".join(pair): v.verdict for pair, v in read_verdicts(self._out).items()}

    def record(self, pair: PairIds, verdict: str) -> bool:
        """Write a verdict; an empty one removes that of before. False for an unknown pair."""
        if pair not in self._pairs or verdict not in (*DECISIONS, ""):
            return False
        with self._lock:
            verdicts = read_verdicts(self._out)
            verdicts.pop(pair, None)
            if verdict:
                when = datetime.now(UTC).isoformat(timespec="seconds")
                decision = next(known for known in DECISIONS if known == verdict)
                verdicts[pair] = Verdict(*pair, decision, self.who, when)
            write_verdicts(self._out, verdicts)
        return True


class _Handler(SimpleHTTPRequestHandler):
    """Answers one request."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, request: Any, client: Any, server: ReviewServer) -> None:
        super().__init__(request, client, server, directory=str(server.folder))

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        if self.path.partition("?")[0] == "/verdicts":
            self._answer(self.server.verdicts())
            return
        if (place := self._requested_range()) is not None:
            self._send_part(*place)
            return
        super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_allowed():
            super().do_HEAD()

    def do_POST(self) -> None:
        """Record a verdict: a JSON object with source, target and verdict."""
        if not self._is_allowed():
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if self.path != "/verdicts" or not 0 <= length <= _MOST_BYTES:
                raise ValueError
            request = json.loads(self.rfile.read(length))
            pair = str(request["source"]), str(request["target"])
            is_known = self.server.record(pair, str(request["verdict"]))
        except (ValueError, KeyError, TypeError):
            is_known = False
        if is_known:
            self._answer(self.server.verdicts())
        else:
            self.close_connection = True
            self.send_error(HTTPStatus.BAD_REQUEST)

    def list_directory(self, path: Any) -> None:
        """Refuse to list folders."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the terminal is for the person."""

    def _is_allowed(self) -> bool:
        """Check the token and the host, and remove the token from the path."""
        host = f"{HOST}:{self.server.server_address[1]}"
        token, _, rest = self.path.removeprefix("/").partition("/")
        allowed = self.headers.get("Host") == host  # another name may be one that was rebound
        if not allowed or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self.close_connection = True
            self.send_error(HTTPStatus.NOT_FOUND)
            return False
        self.path = f"/{rest}"
        return True

    def _answer(self, values: Any) -> None:
        content = json.dumps(values).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _requested_range(self) -> tuple[Path, int, int] | None:
        """Return the file and the bytes [first, end) of a request for a part; browsers seek so."""
        unit, _, span = self.headers.get("Range", "").partition("=")
        first, _, last = span.partition("-")
        path = Path(self.translate_path(self.path))
        if unit != "bytes" or not first.isdigit() or not path.is_file():
            return None
        size = path.stat().st_size
        end = min(size, int(last) + 1) if last.isdigit() else size
        return (path, int(first), end) if int(first) < end else None

    def _send_part(self, path: Path, first: int, end: int) -> None:
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {first}-{end - 1}/{path.stat().st_size}")
        self.send_header("Content-Length", str(end - first))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            self.wfile.write(file.read(end - first))
