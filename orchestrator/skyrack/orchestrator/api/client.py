"""JSON over HTTP over a Unix socket: what every command uses to talk to its run."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0


class ApiError(Exception):
    """The run answered with an error, or did not answer. `status` is 0 in the second case."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiClient:
    """A run's API at `<socket_dir>/api.sock`. Raises ApiError; one connection per call, so it may be shared."""

    def __init__(self, socket_dir: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = socket_dir / "api.sock"
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        """GET, decoded."""
        return self._request("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """POST `body` as JSON; the reply, decoded."""
        return self._request("POST", path, json.dumps(body))

    def delete(self, path: str) -> Any:
        """DELETE; the reply, decoded."""
        return self._request("DELETE", path, None)

    def _request(self, method: str, path: str, body: str | None) -> Any:
        connection = _UnixConnection(self._path, self._timeout_s)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"the run does not answer on {self._path}: {error}") from error
        finally:
            connection.close()
        try:
            answer = json.loads(data)
        except ValueError:
            answer = {"error": data.decode(errors="replace")}
        if response.status >= 400:
            raise ApiError(answer.get("error", response.reason), response.status)
        return answer
