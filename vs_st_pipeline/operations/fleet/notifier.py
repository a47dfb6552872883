"""Sends messages through apprise (mail, Slack, Teams, a webhook, ... by URL), in a process that can be killed.

    this process                        python -m vs_st_pipeline.operations.fleet.notifier
    the URL                 ------->    is it one that apprise knows?     -------> "ready" or "bad"
    title, body, bad news?  ------->    send it                           -------> "told" or "failed"

It is a process of its own, because a service that accepts a connection and then says nothing must not hold up a sync,
and a thread cannot be ended. What apprise or one of its plug-ins logs or prints may hold the URL, and a URL is a key:
it
is discarded. A message is sent only after the one before it has been settled, so a crash here repeats one at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Any

READY, BAD, TOLD, FAILED = "ready", "bad", "told", "failed"


class UnknownAddress(Exception):
    """apprise does not know this kind of URL."""


class Notifier:
    """Messages to one URL; a context manager.

    Args:
        url: as apprise wants it, such as `mailtos://...`, `slack://...` or `jsons://...`.
        seconds: for all messages together; after that, a message under way is ended and counts as failed.

    Raises:
        UnknownAddress: on entering, where apprise does not know the URL.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds

    def __enter__(self) -> Notifier:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vs_st_pipeline.operations.fleet.notifier"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        self._timer = threading.Timer(self._seconds, self._process.kill)
        self._timer.daemon = True
        self._timer.start()
        if self._ask({"url": self._url}) == BAD:
            self.__exit__(None, None, None)
            raise UnknownAddress
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # what a process that is gone never read
                pipe.close()

    def send(self, title: str, body: str, *, bad: bool) -> bool:
        """Send one message and return whether the service has taken it. After the time is over all messages fail."""
        return self._ask({"title": title, "body": body, "bad": bad}) == TOLD

    def _ask(self, what: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            return self._process.stdout.readline().strip()
        except (OSError, ValueError):  # the process was killed
            return FAILED


def main() -> None:
    """Run the other process: lines of JSON in, words out, until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # anything else that is printed would be taken for an answer
    _serve(sys.stdin, answers)


def _serve(lines: IO[str], answers: IO[str]) -> None:
    import apprise

    service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, app_id="vs-st", app_desc="vs-st pipeline"))
    for line in lines:
        asked = json.loads(line)
        if "url" in asked:
            answer = READY if service.add(asked["url"]) else BAD
        else:
            news = apprise.NotifyType.FAILURE if asked["bad"] else apprise.NotifyType.SUCCESS
            taken = service.notify(
                body=asked["body"], title=asked["title"], notify_type=news, body_format=apprise.NotifyFormat.TEXT
            )
            answer = TOLD if taken else FAILED
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
