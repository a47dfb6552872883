"""Does what both stand-ins share: who calls, the journal, switches, faults and hooks around a system's own answers.

It is long because journal, switches, faults and hooks act on one and the same answer, one after the other, and each
change that comes of it is told by webhooks.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from vs_st_pipeline.sandbox.core import control
from vs_st_pipeline.sandbox.core.asgi import Answer, BadJson, Record, Request, read_body, send_answer
from vs_st_pipeline.sandbox.core.faults import OWN_WORDS, Fault, Faults, cloudflare_block, cut_connection
from vs_st_pipeline.sandbox.core.lies import LYING_FAULTS, Kind, Liar, by_fault
from vs_st_pipeline.sandbox.core.renewed import Renewed
from vs_st_pipeline.sandbox.core.sender import Sender
from vs_st_pipeline.sandbox.core.switches import Switches
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant


class NoSuchRecord(Exception):
    """A control request names a record that is not there."""


class Hook:
    """A change of a record that waits for the Nth matching moment: a request, a write, or a batch being applied."""

    def __init__(self, fields: Record) -> None:
        self.fields = fields
        self.on: str = fields.get("on", "request")
        if self.on not in ("request", "write", "batch_apply"):
            raise ValueError("a hook is on request, write or batch_apply")
        self.merchant: str | None = fields.get("merchant")
        self.method: str | None = fields.get("method")
        self.path = re.compile(fields.get("path_regex") or "")
        self.left = int(fields.get("nth") or 1)
        changes = fields["change"]
        self.changes: list[Record] = changes if isinstance(changes, list) else [changes]

    def due(self, on: str, merchant: str, method: str, path: str) -> bool:
        """Say whether this is the moment; count it."""
        if on != self.on or self.left <= 0 or self.merchant not in (None, merchant):
            return False
        if (self.method and self.method != method) or not self.path.search(path):
            return False
        self.left -= 1
        return self.left == 0


class StandIn(ABC):
    """An ASGI application for one system; the subclass knows the system."""

    system = ""
    kinds: tuple[str, ...] = ()
    not_mine: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    sequence = 0

    def __init__(self, load: Callable[[], list[Merchant]], switches: Record | None = None) -> None:
        world = load()
        for merchant in world:
            for name in self.not_mine:
                getattr(merchant, name).clear()
        # Pickled once, so that a reset costs milliseconds and never shares a record with the run before.
        self._pristine = pickle.dumps(world, protocol=pickle.HIGHEST_PROTOCOL)
        self.switches = Switches(self.system, switches)
        self.faults = Faults()
        self.stop: Callable[[], None] = lambda: None
        self.sender = Sender(self)
        self._open(world)

    def pristine(self) -> list[Merchant]:
        """Return the world as it was at the start."""
        gc.disable()
        try:
            merchants: list[Merchant] = pickle.loads(self._pristine)
        finally:
            gc.enable()
        return merchants

    def reset(self) -> None:
        """Reset records, switches, faults, hooks, counters and journal to the start."""
        self._open(self.pristine())

    def _open(self, world: list[Merchant]) -> None:
        self.merchants = {merchant.id: merchant for merchant in world}
        self.switches.reset()
        self.faults.clear()
        for merchant_id in (None, *self.merchants):
            self._set_faults(merchant_id, merchant_id)
        self.hooks: list[Hook] = []
        self.clear_journal()
        self.liar = Liar(self.system)
        self.renewed = Renewed()
        self.sender.close()
        self.sender = Sender(self)
        self.opened()

    @abstractmethod
    def opened(self) -> None:
        """Build what is derived from the records."""

    def clear_journal(self) -> None:
        """Forget all requests; the numbering goes on."""
        self.journal: list[Record] = []

    def set_switches(self, values: Record, merchant: str | None) -> None:
        """Set switches for one merchant, or for all."""
        if merchant is not None and merchant not in self.merchants:
            raise NoSuchRecord(merchant)
        if "fault" in values:
            Faults().set(values["fault"], merchant)  # refuses a bad one before anything is changed
        self.switches.update(values, merchant)
        if "fault" in values:
            self.faults.set(values["fault"], merchant)
        self.switched(values, merchant)

    @abstractmethod
    def switched(self, values: Record, merchant: str | None) -> None:
        """Take over switches that have changed."""

    def _set_faults(self, merchant: str | None, scope: str | None) -> None:
        own = self.switches.for_all if merchant is None else self.switches.for_one.get(merchant, {})
        if own.get("fault"):
            self.faults.set(own["fault"], scope)

    # The way of a request.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, time.time())
        if request.method != "GET":
            request.body = await read_body(receive)
        if request.path.startswith("/__control__/"):
            await send_answer(send, control.answer(self, request))
            return
        self.renewed.read(request)
        merchant = self.caller(request)
        merchant_id = merchant.id if merchant else None
        entry = self._entered(request, merchant_id)
        switches = self.switches.of(merchant_id)
        if switches["latency_seconds"]:
            await asyncio.sleep(float(switches["latency_seconds"]))
        most = switches["block_after_per_second"]
        if most is not None and self.faults.blocked(merchant_id, int(most)):
            answer = cloudflare_block(int(switches["block_status"]))
        else:
            fault = self.faults.of(request, merchant_id)
            if fault is None:
                answer = self.guarded(request, merchant, switches)
            else:
                entry["fault"] = fault.name
                spoilt = await self._spoilt(fault, request, merchant, switches, send)
                if spoilt is None:
                    return
                answer = spoilt
        if not answer.status:  # the system cuts the connection in the place of an answer
            await cut_connection(send)
            return
        entry["status"] = answer.status
        entry["answered"] = time.time()
        await send_answer(send, answer)

    async def _spoilt(
        self, fault: Fault, request: Request, merchant: Merchant | None, switches: Record, send: Send
    ) -> Answer | None:
        if fault.kind == "slow":
            early = self.guarded(request, merchant, switches) if fault.after else None
            await asyncio.sleep(fault.seconds)
            return early or self.guarded(request, merchant, switches)
        needs_good = fault.after or fault.kind in ("truncated", *LYING_FAULTS)
        good = self.guarded(request, merchant, switches) if needs_good else None
        if fault.kind == "reset":
            await cut_connection(send)
            return None
        if fault.kind in LYING_FAULTS and good is not None:
            lie = by_fault(fault.kind, self.kind_of(request), good, lambda: self._other(request, merchant, switches))
            return self.dressed(lie, request, switches)
        if fault.kind in OWN_WORDS:
            return self.dressed(fault.marked(self.denied(request, int(fault.kind))), request, switches)
        return self.dressed(fault.answer(request, good), request, switches)

    def guarded(self, request: Request, merchant: Merchant | None, switches: Record) -> Answer:
        """Return the answer of the system, hooks first."""
        if merchant is None:
            answer = self.refuse(request, switches)
        else:
            self.fire("request", merchant, request)
            try:
                answer = self.respond(request, merchant, switches)
                answer = self.liar.told(self.kind_of(request), answer, switches, merchant.id)
            except BadJson:
                answer = self.bad_json(request)
        return self.dressed(answer, request, switches)

    def _other(self, request: Request, merchant: Merchant | None, switches: Record) -> Answer | None:
        """Return what the same call answers about another record."""
        path = None if merchant is None else self.path_of_another(request, merchant)
        if merchant is None or path is None:
            return None
        scope = {"method": request.method, "raw_path": path.encode(), "query_string": b"", "headers": []}
        asked = Request(scope, request.at)
        asked.seq = request.seq
        return self.respond(asked, merchant, switches)

    def fire(self, on: str, merchant: Merchant, request: Request) -> None:
        """Carry out the hooks whose moment this is."""
        for hook in self.hooks:
            if hook.due(on, merchant.id, request.method, request.path):
                for change in hook.changes:
                    try:
                        self.apply_change(merchant, change)
                    except (NoSuchRecord, ValueError, KeyError) as error:
                        # The person who reads the hooks sees it; the request itself is not to blame.
                        hook.fields["error"] = f"{type(error).__name__}: {error}"

    def apply_change(self, merchant: Merchant, change: Record) -> Any:
        """Apply one change of one record: {kind, op: add|put|patch|delete, id, fields, touch}."""
        op, kind = change.get("op", "patch"), change["kind"]
        if kind not in self.kinds:
            raise ValueError(f"no records {kind!r} at {self.system}; there are {', '.join(self.kinds)}")
        touch = bool(change.get("touch", True))
        if op == "add":
            return self.add_record(merchant, kind, change.get("fields") or {})
        id = str(change["id"])
        if op == "delete":
            return self.delete_record(merchant, kind, id)
        if op in ("patch", "put"):
            return self.change_record(merchant, kind, id, change.get("fields") or {}, op == "put", touch)
        raise ValueError("op is add, put, patch or delete")

    def _entered(self, request: Request, merchant: str | None) -> Record:
        self.sequence += 1
        request.seq = self.sequence
        body: Any = None
        if request.body:
            try:
                body = request.json()
            except BadJson:
                body = request.body.decode("utf-8", "replace")
        entry: Record = {
            "seq": request.seq,
            "time": request.at,
            "merchant": merchant,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "body": body,
            "status": None,
            "answered": None,
            "fault": None,
        }
        self.journal.append(entry)
        return entry

    # Webhooks.

    def happened(self, merchant: Merchant, events: Sequence[Record]) -> None:
        """Tell whoever registered a webhook of a change, where `auto_webhooks` is on."""
        if events and self.switches.of(merchant.id)["auto_webhooks"] == "on":
            self.send_webhooks(merchant, events)

    def switches_of(self, merchant: str) -> Record:
        """Return the switches of one merchant; for the sender, like the next three."""
        return self.switches.of(merchant)

    @abstractmethod
    def is_registered(self, merchant: str, webhook: str) -> bool:
        """Say whether there is such a registration."""

    def most_per_second(self, merchant: str, webhook: str) -> float | None:
        """Return how many calls a second the registration wants at most; None: any number."""
        return None

    @abstractmethod
    def unregister(self, merchant: str, webhook: str) -> None:
        """Remove a registration, if it is there."""

    @abstractmethod
    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        """Send webhook calls for these events to every URL that is registered for them; return how many."""

    # What a system has to say for itself.

    @abstractmethod
    def caller(self, request: Request) -> Merchant | None:
        """Return the merchant whose key this is."""

    @abstractmethod
    def refuse(self, request: Request, switches: Record) -> Answer:
        """Return the answer to a caller without a good key."""

    @abstractmethod
    def denied(self, request: Request, status: int) -> Answer:
        """Return an error status in the system's own words, for a request that was good."""

    @abstractmethod
    def kind_of(self, request: Request) -> Kind | None:
        """Return what the answer to this request is about."""

    @abstractmethod
    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        """Return the same path with another record's id in it; None where there is no other."""

    @abstractmethod
    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        """Return the answer to a caller with a good key."""

    @abstractmethod
    def bad_json(self, request: Request) -> Answer:
        """Return the answer to a body that is not JSON."""

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        """Add the headers that every answer carries."""
        return answer

    @abstractmethod
    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        """Return all records of a kind, as the system shows them in full."""

    @abstractmethod
    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        """Return one record."""

    @abstractmethod
    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        """Add a record as a user of the system itself would."""

    @abstractmethod
    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        """Change a record as a user of the system itself would; without `touch` its time stays."""

    @abstractmethod
    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        """Delete a record as a user of the system itself would."""

    def introduced(self, merchant: Merchant) -> Record:
        """Return a merchant with the keys that this system gave out."""
        return {name: getattr(merchant, name) for name in ("id", "name", "vs_key", "vs_secret", "st_token")}

    def act(self, merchant: Merchant, name: str, body: Record) -> Any:
        """Do what a person or the system itself would do; the names are in `acts`."""
        raise NoSuchRecord(name)

    def report(self, name: str, merchant: str | None) -> Any:
        """Return counters and other findings, by name."""
        raise NoSuchRecord(name)
