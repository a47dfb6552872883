"""Runs a stand-in of a later route in this process, on a thread, for a module of tests; asks it over sockets."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn

from vs_st_pipeline.sandbox import SWITCHES
from vs_st_pipeline.sandbox.core.process import CONTROLS
from vs_st_pipeline.sandbox.core.server import StandIn
from vs_st_pipeline.sandbox.core.switches import BOTH, OF_BOTH_SENDERS
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.scenarios.index import load

Record = dict[str, Any]
GLOW, SOAP = "glow-skin", "bare-soap"


class Reply:
    """An answer as it came."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = response.read().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """A caller with its own headers and one kept connection."""

    def __init__(self, url: str, **headers: str) -> None:
        self.place = urlsplit(url).netloc
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection = http.client.HTTPConnection(self.place, timeout=10)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> Reply:
        target = path + (f"?{urlencode(query)}" if query else "")
        payload = body if body is None or isinstance(body, str) else json.dumps(body)
        self.connection.request(method, target, payload, {**self.headers, **(headers or {})})
        return Reply(self.connection.getresponse())


class Served:
    """One stand-in that runs, with its control."""

    def __init__(self, app: StandIn, url: str) -> None:
        self.app, self.url, self.system = app, url, app.system
        self.control: Any = CONTROLS[app.system](url, next(iter(app.merchants)))
        self.callers: list[Api] = []

    def api(self, **headers: str) -> Api:
        self.callers.append(Api(self.url, **headers))
        return self.callers[-1]

    def each(self, name: str, expected: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Set each value of a switch in a world as it was at the start; `expected` is what goes with each, in order."""
        for value, wanted in zip(SWITCHES[self.system][name], expected, strict=True):
            self.control.reset()
            self.control.set_switch(name, value)
            yield value, wanted


@contextmanager
def served(make: Callable[[Callable[[], list[Merchant]]], StandIn], scenario: str = "consumers") -> Iterator[Served]:
    """Run a stand-in until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    app = make(lambda: load(scenario, datetime.now(UTC)))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    found = Served(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield found
    finally:
        found.control.close()
        for caller in found.callers:
            caller.connection.close()
        server.should_exit = True
        thread.join()
        listener.close()


def not_tried(file: str, system: str) -> list[str]:
    """Return the switches of which a module of tests does not try each value."""
    tried = re.findall(r'each\((?:\s*box,)?\s*"(\w+)"', Path(file).read_text(encoding="utf-8"))
    return sorted(set(SWITCHES[system]) - set(tried) - {*BOTH, *OF_BOTH_SENDERS})
