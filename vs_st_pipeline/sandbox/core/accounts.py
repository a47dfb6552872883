"""Does what the stand-ins of later routes share beside the core: an account per merchant, a clock, acts, findings."""

from __future__ import annotations

import copy
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from starlette.types import Send

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, dumps, loads
from vs_st_pipeline.sandbox.core.faults import Fault
from vs_st_pipeline.sandbox.core.lies import Kind, rows_of
from vs_st_pipeline.sandbox.core.server import NoSuchRecord, StandIn
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

REDACTED = "..."
_SECRET = re.compile(r"((?:client_secret|password|assertion)=)[^&]*")


class Refused(Exception):
    """A request that is answered by an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ItemFailed(Exception):
    """One record that cannot be written; `code` and `text` are the system's own."""

    def __init__(self, code: str, text: str, **more: Any) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.more = more


class Lag:
    """Shows records as they were before their last write, in so many of the next reads."""

    def __init__(self) -> None:
        self._old: dict[str, list[Any]] = {}

    def wrote(self, id: str, before: Record | None, polls: int) -> None:
        """Keep what a record was before a write; None: not there."""
        if polls and id not in self._old:
            self._old[id] = [polls, copy.deepcopy(before)]

    def polled(self) -> None:
        """Count a read."""
        for id, entry in list(self._old.items()):
            if entry[0] <= 0:
                del self._old[id]
            entry[0] -= 1

    def seen(self, id: str, now: Record | None) -> Record | None:
        """Return a record as a read shows it."""
        if id not in self._old:
            return now
        old: Record | None = self._old[id][1]
        return old


class Clock:
    """The present, which a test may move."""

    def __init__(self) -> None:
        self._shift = timedelta()

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.now(UTC) + self._shift

    def move(self, body: Record) -> Record:
        """Move by {"seconds": n}, or to {"now": ISO}; return where it stands."""
        if body.get("now"):
            self._shift = datetime.fromisoformat(str(body["now"])) - datetime.now(UTC)
        self._shift += timedelta(seconds=float(body.get("seconds") or 0))
        return {"now": self.now().isoformat()}


class AccountStandIn(StandIn):
    """One system with an account per merchant; what it has at the start is `merchant.parts[system]`.

    Attributes:
        paths: pattern of a path and the words for it in the journal.
    """

    not_mine = ("customers", "orders", "memberships", "contacts", "custom_fields", "lists")
    acts: tuple[str, ...] = ("clock",)
    paths: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, load: Callable[[], list[Merchant]], switches: Record | None = None) -> None:
        def own() -> list[Merchant]:
            world = load()
            for merchant in world:
                merchant.parts = {self.system: merchant.parts.get(self.system) or {}}
            return world

        super().__init__(own, switches)

    def opened(self) -> None:
        self.clock = Clock()
        self.findings: list[Record] = []
        self.calls: dict[str, int] = {}
        self.accounts_opened()

    @abstractmethod
    def accounts_opened(self) -> None:
        """Build the accounts and what is derived from their records."""

    def part(self, merchant: Merchant) -> Record:
        """Return what a merchant has here."""
        return merchant.parts[self.system]

    def find(self, what: str, merchant: Merchant, request: Request, **details: Any) -> None:
        """Note something that no client may do."""
        self.findings.append({"what": what, "merchant": merchant.id, "seq": request.seq, **details})

    def limited(self, merchant: Merchant, every: Any) -> bool:
        """Count a call; say whether it is one call too many, where every nth is."""
        self.calls[merchant.id] = self.calls.get(merchant.id, 0) + 1
        return bool(every) and self.calls[merchant.id] % int(every) == 0

    def switched(self, values: Record, merchant: str | None) -> None:
        pass

    def kind_of(self, request: Request) -> Kind | None:
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        return None

    def _other(self, request: Request, merchant: Merchant | None, switches: Record) -> Answer | None:
        path = None if merchant is None else self.path_of_another(request, merchant)
        if merchant is None or path is None:
            return None
        asked = Request({**request.scope, "raw_path": path.encode()}, request.at)
        asked.seq = request.seq
        return self.respond(asked, merchant, switches)

    async def _spoilt(
        self, fault: Fault, request: Request, merchant: Merchant | None, switches: Record, send: Send
    ) -> Answer | None:
        answer = await super()._spoilt(fault, request, merchant, switches, send)
        kind = self.kind_of(request)
        if fault.kind != "other_record" or answer is None or merchant is None or kind is None or answer.status >= 300:
            return answer
        body = loads(answer.body)
        rows = rows_of(kind, body) if kind.rows else []
        if len(rows) == 1:  # the core shows the second row in the place of the first, and here is none
            rows[0] = self.row_of_another(request, merchant, rows[0], switches) or rows[0]
            return Answer(answer.status, dumps(body), answer.content_type, answer.headers)
        return answer

    def row_of_another(self, request: Request, merchant: Merchant, row: Record, switches: Record) -> Record | None:
        """Return what a list that shows one record would show of another one."""
        return None

    # The journal.

    def _entered(self, request: Request, merchant: str | None) -> Record:
        entry = super()._entered(request, merchant)
        words = next((words for pattern, words in self.paths if re.fullmatch(pattern, request.path)), None)
        entry["route"] = f"{request.method} {words or request.path}"
        entry["items"] = self.items_of(entry["body"])
        if isinstance(entry["body"], str):
            entry["body"] = _SECRET.sub(rf"\1{REDACTED}", entry["body"])
        return entry

    def items_of(self, body: Any) -> int:
        """Return how many records a request names."""
        return 1 if isinstance(body, dict) else 0

    # Control.

    def introduced(self, merchant: Merchant) -> Record:
        return {"id": merchant.id, "name": merchant.name, **self.keys_of(merchant)}

    @abstractmethod
    def keys_of(self, merchant: Merchant) -> Record:
        """Return the keys that this system gave a merchant."""

    def act(self, merchant: Merchant, name: str, body: Record) -> Any:
        if name == "clock":
            return self.clock.move(body)
        return self.acted(merchant, name, body)

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        """Do what a person or the system itself would do."""
        raise NoSuchRecord(name)

    def report(self, name: str, merchant: str | None) -> Any:
        if name == "findings":
            return [found for found in self.findings if merchant in (None, found["merchant"])]
        chosen = [self.merchants[merchant]] if merchant else list(self.merchants.values())
        return self.reported(name, chosen)

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        """Return counters and other findings of some merchants, by name."""
        raise NoSuchRecord(name)

    # Webhooks: most of these systems have none that the route uses.

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        raise NoSuchRecord(f"webhooks of {self.system}")

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return False

    def unregister(self, merchant: str, webhook: str) -> None:
        pass


def iso(at: datetime) -> str:
    """Return UTC with milliseconds and a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def text_of(value: Any) -> str:
    """Return an e-mail address as systems compare it."""
    return str(value or "").strip().lower()


def is_address(value: Any) -> bool:
    """Say whether the systems take a text for an e-mail address."""
    return re.fullmatch(r"[^@\s\x00-\x1f]+@[^@\s.]+(\.[^@\s.]+)*\.[^@\s.]{2,}", str(value)) is not None
