"""An account that answers as a test says, byte by byte, and a run of route `notices` whose plan a test makes up."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings, Price
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage
from vs_st_pipeline.routes.notices.account.claim import Claim
from vs_st_pipeline.routes.notices.account.claims import read_all
from vs_st_pipeline.routes.notices.messages import Button, Message
from vs_st_pipeline.routes.notices.planning import Verdict
from vs_st_pipeline.routes.notices.session import SYSTEMS, NoticesSession, open_session
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.stage_names import STAGES
from vs_st_pipeline.routes.notices.words import MessageKind

NOW = datetime(2026, 3, 2, 10, 0)  # UTC
Act = bytes | Callable[[socket.socket], None]


def reply(status: int, body: Any = b"", kind: str = "application/json", **headers: str) -> bytes:
    """An answer, byte by byte."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": kind, "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + data


def reset(conn: socket.socket) -> None:
    """Break the connection off without an answer."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def cut(answer: bytes) -> Callable[[socket.socket], None]:
    """Break the connection off before the answer's end."""

    def act(conn: socket.socket) -> None:
        conn.sendall(answer[:-4])
        conn.close()

    return act


@dataclass
class Gupshup:
    """An account at Gupshup: takes every message, unless `acts` say what the next ones get.

    Attributes:
        acts: of the next sends, in order. lists: of reads, by the end of their path.
        sent: the forms of all sends that came. asked: paths of all reads. most: sends at one time.
    """

    acts: list[Act] = field(default_factory=list)
    lists: dict[str, Act] = field(default_factory=dict)
    sent: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    holds: threading.Event | None = None
    most: int = 0
    _busy: int = 0

    def __post_init__(self) -> None:
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        try:
            with conn, conn.makefile("rb") as lines:
                while line := lines.readline():
                    method, path, _ = line.decode().split(" ", 2)
                    head = []
                    while (line := lines.readline()) not in (b"\r\n", b""):
                        head.append(line.decode().strip())
                    length = next(
                        (int(one.split(":")[1]) for one in head if one.lower().startswith("content-length")), 0
                    )
                    act = self._act(method, path, lines.read(length), head)
                    if callable(act):
                        act(conn)
                        return
                    conn.sendall(act)
        except OSError:
            pass

    def _act(self, method: str, path: str, body: bytes, head: list[str]) -> Act:
        if method == "GET":
            self.asked.append(path)
            return next((act for end, act in self.lists.items() if path.endswith(end)), reply(404))
        with self._guard:
            self._busy += 1
            self.most = max(self.most, self._busy)
            self.sent.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
            self.paths.append(path)
            self.headers += head
            number = len(self.sent)
            act = self.acts.pop(0) if self.acts else reply(202, {"status": "submitted", "messageId": f"m{number}"})
        if self.holds is not None:
            self.holds.wait(5)
        with self._guard:
            self._busy -= 1
        return act


class Unpaced:
    """No rate."""

    def wait(self) -> float:
        return 0.0


@dataclass
class Rig:
    """One merchant with one account, and messages that a plan made up says are due.

    Attributes:
        messages: by id, in order; a `Verdict`, or an error, in place of one is what `planning.again_all` says.
        turned_down: what was turned down, and why. judged: ids that were judged at once, each time.
    """

    folder: Path
    gupshup: Gupshup
    kind: str = "client"
    merchant: str = "kapaskraft"
    now: datetime = NOW
    messages: dict[str, Message | Verdict | Exception] = field(default_factory=dict)
    turned_down: dict[str, str] = field(default_factory=dict)
    judged: list[list[str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owners = [(one.name, one.migrations) for one in SYSTEMS]
        owners.append(("notices", resources.files("vs_st_pipeline.routes.notices") / "sql"))
        lineages = (SHARED, *(read_lineage(owner, folder) for owner, folder in owners if folder))
        streams = tuple((one.name, stream) for one in SYSTEMS for stream in one.streams)
        self.warehouse = Warehouse(self.folder, {"notices": Layout(lineages, streams=streams)})

    @property
    def account(self) -> GupshupAccount:
        id = "our-house" if self.kind == "house" else f"client:{self.merchant}"
        values: dict[str, Any] = {
            "id": id, "kind": self.kind, "base_url": self.gupshup.url, "api_key": Secret("key-canary", "env:KEY"),
            "app_name": "KapasKraftApp", "app_id": "77aa", "number": "+919810000002",
            "requests_per_second": 1000.0, "daily_recipients": None,
            "price": Price(amount=Decimal("0.80"), currency="INR") if self.kind == "house" else None,
        }  # fmt: skip
        return GupshupAccount(**{**values, **self.keys})

    @property
    def run(self) -> Run:
        account = self.account
        notices = NoticesSettings(countries=("IN",), accounts=(account,), **self.settings)
        sections = {"notices": notices, "gupshup": GupshupSettings(accounts=(account,), selected=account)}
        merchant = Merchant(self.merchant, self.merchant, routes=("notices",), sections=sections)
        return Run(merchant, self.warehouse, lambda: self.now.replace(tzinfo=UTC), route="notices", inbox=None)

    def message(self, number: int, **how: Any) -> Message:
        """A message to a phone of its own, about an order of its own."""
        usual: dict[str, Any] = {
            "text": f"Hi Asha, order {number}", "template_id": "c6ae", "category": "UTILITY",
            "params": ["Asha", f"O{number}"], "buttons": [Button("reattempt", "Deliver again"), Button(None, "Help")],
            "consent": {"source": "eshopbox_flag", "state": "in", "at": (NOW - timedelta(days=1)).isoformat()},
            "unit_key": f"shipment:eshopbox:{number}", "status": "failed_delivery", "occurrence": 1,
            "merchant_order": f"eshopbox:{number}", "order_number": f"O{number}",
        }  # fmt: skip
        made = Message(f"n_{number}", MessageKind.NOTICE, self.account, f"+9198100{number:05}", **{**usual, **how})
        self.messages[made.notice_id] = made
        return made

    def due(self, count: int) -> None:
        """Let so many messages be due."""
        for number in range(1, count + 1):
            self.message(number)

    @contextmanager
    def session(self) -> Iterator[NoticesSession]:
        with open_session(self.run, STAGES) as session:
            yield session

    def claims(self) -> dict[str, Claim]:
        with self.session() as session:
            store = session.store(self.account)
            if not store.exists:
                return {}
            with store.read() as db:
                return {one.notice_id: one for one in read_all(db, None)}

    def rows(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of each message in the ledger."""
        with self.run.open() as db:
            return {
                id: (state, why) for id, state, why in db.rows("select notice_id, state, reason from synced.notices")
            }


def plan_made_up(rig: Rig, monkeypatch: Any) -> None:
    """Let `planning` say what the rig has: what is due, how it is judged again, and what is turned down."""
    from vs_st_pipeline.routes.notices import planning

    def again_all(_session: NoticesSession, ids: Sequence[str]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        orders = set()
        for id in ids:
            found = rig.messages[id]
            order = found.merchant_order if isinstance(found, Message) else id
            if order not in orders:
                orders.add(order)
                told[id] = found
        rig.judged.append(list(told))
        return told

    def due(_session: NoticesSession) -> list[str]:
        standing = {} if not rig.run.file().exists() else rig.rows()
        return [id for id in rig.messages if standing.get(id, ("waiting", None))[0] == "waiting"]

    def turned_down(session: NoticesSession, notice_id: str, verdict: Verdict) -> None:
        rig.turned_down[notice_id] = str(verdict.reason)
        session.told.waits[verdict.reason] += 1

    for name, made in (("again_all", again_all), ("due", due), ("turned_down", turned_down)):
        monkeypatch.setattr(planning, name, made)
