"""What the stories of route `notices` share: a brand with its settings, the real command, acts of the world, a judge.

Hooks and callbacks come into the inbox by the connectors' own reading of their bodies, or, inside `receiving()`, by a
receiver over a real socket.

The judge (`wrong`) holds after every story, whatever it is about (notices.md 1, 11, 12): nothing that either stand-in
finds, no message that is in nobody's ledger, and nobody's phone, words or key anywhere but where it belongs.

It is long because stories, switches and kills are told in one set of words.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.hints import NOTHING
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.notices_clients import EshopboxControl, GupshupControl
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import (
    HOUSE,
    KAPASKRAFT,
    MITTI_HOME,
    OWN,
    SHARED,
    STATUSES,
    sender_of,
)
from vs_st_pipeline_tests.support.commanding import Commanding, forget_files
from vs_st_pipeline_tests.support.opened_files import opened
from vs_st_pipeline_tests.support.orders import hurrying, until
from vs_st_pipeline_tests.support.receiving import SECRET, receiving
from vs_st_pipeline_tests.support.story import Ran

__all__ = ["HOUSE", "KAPASKRAFT", "MITTI_HOME", "OWN", "SHARED", "STATUSES", "Record", "Scene", "hurrying", "until"]

Record = dict[str, Any]

ROUTE, ESHOPBOX, GUPSHUP = "notices", "eshopbox", "gupshup"
OFTEN = 1000  # requests a second: the pace is no part of a story
ALWAYS = {"orders": "0s", "open_orders": "0s", "reconcile": "24h"}
"""What is read in every sync, so that no story hangs on an interval."""
CALLS_ENDED = {"sent", "failed", "dropped"}
QUIET_COMMANDS = ("plan", "why", "notices")
"""Commands that show an operator what a message says, and to whom."""
WENT = {"sending", "unknown", "accepted", "enqueued", "sent", "delivered", "read"}
"""States of a message that Gupshup has taken, for all that is known."""


@dataclass
class Scene(Commanding):
    """A world, its settings and its data folder.

    Attributes:
        shift: by how much the present is later than the clock's; the stand-ins' clocks go along.
        said: what all commands but `QUIET_COMMANDS` have said.
        reports: of all syncs, oldest first.
    """

    route = ROUTE
    shows_people = QUIET_COMMANDS

    box: Sandbox
    folder: Path
    merchant: str = KAPASKRAFT
    shift: timedelta = timedelta()
    more_environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    reports: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.inbox = Inbox(self.data)
        self.words: set[str] = set()
        """What customers wrote: it may stand in databases alone."""
        self._receiving: dict[str, str] | None = None
        self._numbers = 0

    @property
    def eshopbox(self) -> EshopboxControl:
        """Eshopbox's stand-in."""
        return self.box.eshopbox.control

    @property
    def gupshup(self) -> GupshupControl:
        """Gupshup's stand-in; it goes by accounts."""
        return self.box.gupshup.control

    @property
    def account(self) -> str:
        """The id of the account by which the merchant sends."""
        return sender_of(self.merchant).id

    @property
    def is_house(self) -> bool:
        """Whether that is the house's."""
        return self.account == HOUSE

    @property
    def now(self) -> datetime:
        """What the command takes for now."""
        return datetime.now(UTC) + self.shift

    def due(self) -> datetime:
        """When the route is due next, as a worker and a schedule read it."""
        found = read_next_due(self.data, self.merchant, ROUTE)
        assert found is not None
        return found

    # How it begins.

    def settings(
        self,
        *edits: Callable[[Record], None],
        enabled: Collection[str] = ("failed_delivery",),
        eshopbox: Mapping[str, Any] | None = None,
        house: Mapping[str, Any] | None = None,
        merchants: Mapping[str, Mapping[str, Any]] | None = None,
        **notices: Any,
    ) -> Path:
        """Write the merchants file: no quiet hours, nothing settles, all is read in every sync.

        Args:
            edits: of this merchant's entry, last of all. enabled: statuses that are announced, of every merchant.
            eshopbox: further keys of this merchant's section. house: of the house's account.
            merchants: further keys of other merchants' section `notices`, by id. notices: of this merchant's.
        """
        path = self.box.write_settings(self.folder, give_up_after="2s")
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        for account in whole.get("gupshup_accounts", {}).values():
            account |= {"requests_per_second": OFTEN, **(house or {})}
        for entry in whole["merchants"]:
            entry["eshopbox"] |= {"requests_per_second": OFTEN, "refresh": dict(ALWAYS)}
            entry["notices"]["settle"] = "0s"
            for status, one in entry["notices"]["notifications"].items():
                one["enabled"] = status in enabled
            for account in entry["notices"]["accounts"]:
                if account["kind"] == "client":
                    account["requests_per_second"] = OFTEN
            if entry["id"] == self.merchant:
                entry["eshopbox"] |= eshopbox or {}
                entry["notices"] |= notices
                for edit in edits:
                    edit(entry)
            elif merchants and entry["id"] in merchants:
                entry["notices"] |= merchants[entry["id"]]
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    def begin(self) -> None:
        """Begin in a world as it was at its start."""
        self.box.reset()
        self.shift = timedelta()

    def begin_alone(self) -> None:
        """Begin where nothing was ordered yet, so that a story is about its own alone."""
        self.begin()
        for merchant in self.box.merchants:
            for one in self.eshopbox.orders(merchant.id):
                self.eshopbox.delete("orders", one["customerOrderNumber"], merchant.id)

    def based(self, **settings: Any) -> Record:
        """Write settings and run the first sync, which announces nothing: from there most stories go on."""
        self.settings(**settings)
        report = self.synced()
        # Eshopbox's times have no fractions: what comes now must not look older than the first sync.
        self.later(seconds=2)
        return report

    # What happens in the world.

    def order(self, merchant: str | None = None, **fields: Any) -> Record:
        """Let somebody order: an order on its way, with a phone of its own, whose customer asked for WhatsApp.

        Args:
            fields: as `EshopboxControl.order` takes them.
        """
        self._numbers += 1
        usual = {"number": f"T{self._numbers:03d}", "phone": f"+9197400{self._numbers:05d}"}
        usual["name"] = f"Customer Number{self._numbers}"
        made = self.eshopbox.order(merchant or self.merchant, **{**usual, **fields})
        phone = made["shippingAddress"]["contactPhone"]
        if made["whatsapp"] and phone:
            self.allow(phone, merchant)
        return made

    def allow(self, phone: str, merchant: str | None = None) -> None:
        """Tell Gupshup's judge of somebody who may be written, though no list of Gupshup's says so."""
        self.gupshup.allow(phone, sender_of(merchant or self.merchant).id)

    def advance(self, order: Record | str, status: str, merchant: str | None = None, **how: Any) -> Record:
        """Let a parcel reach a status, in Eshopbox's words; `at`, `shipment`, `resource` and more as its control says.

        The hook of it waits until `hook` brings it.
        """
        return self.eshopbox.advance(number_of(order), status, merchant or self.merchant, **how)

    def hook(self, order: Record | str | None = None, merchant: str | None = None) -> int:
        """Bring the hooks of an order that nobody was told of yet, or all; how many came."""
        owner = merchant or self.merchant
        number = None if order is None else number_of(order)
        if self._receiving is not None:
            with self._dated():
                count = self.eshopbox.send_hooks(number, owner)
                until(partial(_are_over, self.eshopbox))
            return count
        keys, came = self.eshopbox.keys(owner), 0
        for call in self.eshopbox.take_hooks(number, owner):
            if call["headers"].get("X-Api-Key", call["headers"].get("x-api-key")) == keys["header_value"]:
                self._arrive(ESHOPBOX, owner, call["body"], keys["workspace"])
                came += 1
        return came

    def failed(self, order: Record | str, **how: Any) -> None:
        """Let delivery fail, and Eshopbox tell of it."""
        self.advance(order, "failed_delivery", **how)
        self.hook(order)

    def callbacks(self, account: str | None = None) -> int:
        """Bring what Gupshup has to tell: receipts, replies and the rest; how many came."""
        if self._receiving is not None:
            with self._dated():
                return len(self.gupshup.flush_callbacks(account))
        came = self.gupshup.take_callbacks(account)
        for one in came:
            self._arrive(GUPSHUP, owner_of(one["account"]), one["body"])
        return len(came)

    def receipts(self, message: Record | str, *types: str, **how: Any) -> None:
        """Say which receipts a message gets, and bring them."""
        self.gupshup.receipts(message if isinstance(message, str) else message["message_id"], list(types), **how)
        self.callbacks()

    def reply(self, phone: str, kind: str = "button", **how: Any) -> Record:
        """Let somebody answer the last message they got (`button`, `text`, `to`, ... as Gupshup's control says)."""
        if how.get("text"):
            self.words.add(str(how["text"]))
        found: Record = self.gupshup.reply(phone, kind, account=how.pop("account", self.account), **how)
        self.callbacks()
        return found

    def later(self, **gap: float) -> None:
        """Let time go by, here and at the stand-ins."""
        self.shift += timedelta(**gap)
        seconds = timedelta(**gap).total_seconds()
        for handle in self.box.running.values():
            handle.control.move_clock(seconds)
        for path in (self.data / "tokens").glob("*.json"):  # when it was asked for is by the machine's clock
            kept = json.loads(path.read_bytes())
            path.write_text(json.dumps({**kept, "asked": kept["asked"] - seconds}), encoding="utf-8")

    # How hooks and callbacks come in.

    def _arrive(self, system: str, owner: str, body: Record, account: str | None = None) -> None:
        """Store a call as the receiver does.

        Args:
            account: how the system names this merchant; a call that names another one is no hint.
        """
        hooks = next(one.hooks for one in CONNECTORS if one.name == system)
        assert hooks is not None, system
        arrivals = []
        for call in hooks.read(json.dumps(body).encode()):
            if account is not None and call.account not in (None, account):
                call = replace(call, kind=NOTHING, id=None)
            arrivals.append(Arrival(owner, system, call, (ROUTE,), self.now.isoformat(), call.kind != NOTHING))
        self.inbox.put(arrivals)

    @contextmanager
    def receiving(self) -> Iterator[str]:
        """Let a receiver run in a thread of this process, and both systems know its URLs; gives its address."""
        whole = yaml.safe_load((self.folder / "merchants.yaml").read_text(encoding="utf-8"))
        environ = {"VS_ST_HOOK_SECRET": "env:HOOK_SECRET", "HOOK_SECRET": SECRET}
        top = {name: part for name, part in whole.items() if name != "merchants"}
        with receiving(self.folder, whole["merchants"], inbox=self.inbox, environ=environ, **top) as receiver:
            public = f"http://127.0.0.1:{receiver.port}"
            self.more_environment |= {"VS_ST_HOOK_SECRET": "env:HOOK_SECRET", "HOOK_SECRET": SECRET}
            self.more_environment["VS_ST_PUBLIC_URL"] = public
            self._receiving = receiver.environ
            for entry in whole["merchants"]:
                keys = self.eshopbox.keys(entry["id"])
                self.eshopbox.begin_hooks(public + path_of(ESHOPBOX, entry["id"]), keys["header_value"], entry["id"])
            for account in {sender_of(one["id"]).id for one in whole["merchants"]}:
                self.gupshup.set_callback_url(account, public + path_of(GUPSHUP, owner_of(account)))
            try:
                yield public
            finally:
                self._receiving = None

    @contextmanager
    def _dated(self) -> Iterator[None]:
        """Let the receiver take for now what the command does."""
        assert self._receiving is not None
        places: list[Any] = [self._receiving, os.environ]
        if self.shift:
            for one in places:
                one["VS_ST_NOW"] = self.now.isoformat()
        try:
            yield
        finally:
            for one in places:
                one.pop("VS_ST_NOW", None)

    # The command.

    def clock(self) -> datetime | None:
        """What the command is to take for now; None: the machine's time."""
        return self.now if self.shift else None

    def started(self, *arguments: str, **environment: str) -> Ran:
        """Run the command as a process of its own, and wait until it has ended."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        self.said += [err, out if arguments[0] not in QUIET_COMMANDS else ""]
        return Ran(process.returncode, out, err)

    def sync(self, *arguments: str, merchant: str | None = None) -> Record:
        """`vs-st sync --route notices --json`; the merchant's report."""
        owner = merchant or self.merchant
        done = self.run("sync", "--merchant", owner, "--route", ROUTE, "--json", *arguments)
        report = done.of(owner)
        self.reports.append(report)
        assert done.exit_code == (0 if report["status"] == "ok" else 1), done
        return report

    def synced(self, *arguments: str, merchant: str | None = None) -> Record:
        """The same, and it must go well."""
        report = self.sync(*arguments, merchant=merchant)
        assert (report["status"], report["error"]) == ("ok", None), report
        return report

    def plan(self, *arguments: str, merchant: str | None = None) -> Record:
        """`vs-st plan --route notices --json`."""
        owner = merchant or self.merchant
        return self.run("plan", "--merchant", owner, "--route", ROUTE, "--json", *arguments).of(owner)

    def check(self, *arguments: str) -> Record:
        """`vs-st check --route notices --json`."""
        return self.run("check", "--merchant", self.merchant, "--route", ROUTE, "--json", *arguments).of(self.merchant)

    def why(self, order: Record | str, status: str | None = None) -> Any:
        """`vs-st why --route notices --json ORDER [STATUS]`."""
        asked = [number_of(order), *([status] if status else [])]
        return self.run("why", "--merchant", self.merchant, "--route", ROUTE, "--json", *asked).json

    def notices(self, *arguments: str) -> Ran:
        """`vs-st notices ...`, for this merchant where no account is named and no merchant."""
        whose = [] if {"--account", "--merchant", "--all"} & set(arguments) else ["--merchant", self.merchant]
        return self.run("notices", *arguments, *whose)

    def worked(self, *arguments: str) -> list[Record]:
        """`vs-st work --once --json`: its reports."""
        done = self.run("work", "--once", "--json", *arguments)
        found: list[Record] = done.json["merchants"]
        return found

    # What came of it.

    def sends(self, account: str | None = None, *, to: str | None = None) -> list[Record]:
        """Messages that Gupshup took, oldest first: message_id, destination, template, params, text, time, ...

        Args:
            to: to this phone alone, E.164.
        """
        found = self.gupshup.sends(account or self.account)
        return [one for one in found if to is None or one["destination"] == to.removeprefix("+")]

    def resolutions(self, merchant: str | None = None) -> list[Record]:
        """Calls of ndrResolution, oldest first: {body, did, status}."""
        return self.eshopbox.resolutions(merchant or self.merchant)

    def rows(self, sql: str, values: Sequence[Any] = (), merchant: str | None = None) -> list[Record]:
        """Rows of the route's file, as objects."""
        with opened(self.data, merchant or self.merchant, ROUTE) as db:
            names = [row[0] for row in db.rows(f"describe {sql}", values)]
            return [dict(zip(names, row, strict=True)) for row in db.rows(sql, values)]

    def stand(self, order: Record | str | None = None) -> list[tuple[str, str, str | None]]:
        """How the messages of an order, or of all, stand: (status, state, reason), oldest first."""
        number = None if order is None else number_of(order)
        rows = self.rows("select * from synced.notices order by first_seen_at, notice_id")
        chosen = [one for one in rows if number is None or one["order_number"] == number]
        return [(one["status"], one["state"], one["reason"]) for one in chosen]

    def of_account(self, sql: str, values: Sequence[Any] = (), account: str | None = None) -> list[Record]:
        """Rows of an account's file, as objects."""
        path = self.data / "accounts" / (account or self.account) / "account.sqlite"
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql, tuple(values))]
        finally:
            db.close()

    def waiting(self) -> Counter[str]:
        """What waits in the inbox, by kind."""
        if not self.inbox.exists:
            return Counter()
        return Counter(row[0] for row in self.inbox.ask("select kind from hints where state = 'waiting'", []))

    @property
    def home(self) -> Path:
        """The merchant's folder."""
        return self.data / "merchants" / self.merchant

    def keep(self, name: str) -> None:
        """Keep the merchant's folder as it is, to put it back later."""
        forget_files()
        shutil.copytree(self.home, self.folder / f"kept-{name}")

    def put_back(self, name: str) -> None:
        """Put an older folder of the merchant back; the account's, and the evidence, stay as they are."""
        forget_files()
        evidence = {path.name: path.read_bytes() for path in self.home.glob("*.evidence.jsonl")}
        shutil.rmtree(self.home)
        shutil.copytree(self.folder / f"kept-{name}", self.home)
        for file, text in evidence.items():
            (self.home / file).write_bytes(text)

    def lose(self, *, database_alone: bool = False, account: bool = False) -> None:
        """Lose the data folder, the merchant's database alone, or the account's file alone."""
        forget_files()
        self.inbox.close()
        if account:
            for path in (self.data / "accounts" / self.account).glob("account.sqlite*"):
                path.unlink()
        elif database_alone:
            for path in self.home.glob(f"{ROUTE}.duckdb*"):
                path.unlink()
        else:
            shutil.rmtree(self.data, ignore_errors=True)

    # The judge.

    def wrong(self, *, excused: Collection[str] = (), booked: bool = True) -> list[str]:
        """Return what no story may ever leave behind; nothing, if all is well.

        Args:
            excused: findings of the stand-ins that this story provokes, by their words.
            booked: every message that Gupshup took is in the ledger of a merchant, by its message id or as unknown.
        """
        found = [f"a finding: {one}" for one in self.box.findings() if one["what"] not in excused]
        if booked:
            found += [f"in no ledger: {one}" for one in self._not_booked()]
        return found + [f"a leak of {one}" for one in self.leaks()]

    def _not_booked(self) -> Iterator[str]:
        """Messages that are in no ledger; one whose answer was lost stands there without its id, by its phone."""
        accounts = {sender_of(one.id).id for one in self.box.merchants}
        ids, open_ones = set(), Counter[str]()
        for merchant in self.box.merchants:
            if not (self.data / "merchants" / merchant.id / f"{ROUTE}.duckdb").exists():
                continue
            for row in self.rows("select * from synced.notices", merchant=merchant.id):
                ids |= {row["message_id"], *self._ids_of_tries(row)}
                if went_without_id(row):
                    open_ones[str(row["destination"]).removeprefix("+")] += 1
        for account in sorted(accounts):
            for one in self.sends(account):
                if one["message_id"] in ids:
                    continue
                if open_ones[one["destination"]] > 0:
                    open_ones[one["destination"]] -= 1
                    continue
                yield f"{one['template']} to ...{one['destination'][-3:]}"

    def _ids_of_tries(self, row: Record) -> list[str]:
        """Message ids of a message that was sent again (7.4): the ledger has the newest, the account's file all."""
        if row["tries"] < 2:
            return []
        rows = self.of_account("select id from message_ids where notice_id = ?", [row["notice_id"]], row["account"])
        return [str(one["id"]) for one in rows]

    def leaks(self) -> list[str]:
        """What of people and keys stands where it may not.

        Keys nowhere; phones, names and words in databases and evidence alone; of Eshopbox's hooks not even there.
        """
        said = "\n".join(self.said).casefold()
        files = {path: path.read_bytes().decode("latin-1").casefold() for path in self._files()}
        found = set()
        for key in self.keys():
            found |= {f"a key of {len(key)} in {name}" for name in _where(key, said, files)}
        plain = {path: text for path, text in files.items() if not _is_kept(path)}
        for one in self.canaries():
            found |= {f"{one} in {name}" for name in _where(one, said, plain)}
        return sorted(found | set(self._in_hooks()))

    def keys(self) -> set[str]:
        """Secrets of both systems, of all merchants."""
        found = {sender_of(one.id).api_key for one in self.box.merchants}
        for merchant in self.box.merchants:
            keys = self.eshopbox.keys(merchant.id)
            found |= {keys[name] for name in ("client_secret", "refresh_token", "header_value")}
        return found

    def canaries(self) -> set[str]:
        """Phones in their forms, family names, streets, e-mails, and what customers wrote."""
        found = set(self.words)
        for merchant in self.box.merchants:
            for one in self.eshopbox.orders(merchant.id):
                address = one["shippingAddress"]
                digits = "".join(sign for sign in str(address.get("contactPhone") or "") if sign.isdigit())
                found |= {digits, digits.removeprefix("91")}
                found |= {str(address.get(name) or "") for name in ("customerName", "email", "addressLine1")}
        return {one for one in found if len(one) >= 6}

    def _in_hooks(self) -> Iterator[str]:
        """People in what is kept of Eshopbox's hooks."""
        if not self.inbox.exists:
            return
        rows = self.inbox.ask("select kept from entries where system = ?", [ESHOPBOX])
        kept = "\n".join(str(row[0]) for row in rows).casefold()
        yield from (f"{one} in a kept hook" for one in sorted(self.canaries()) if one.casefold() in kept)

    def _files(self) -> Iterator[Path]:
        for path in sorted(self.data.rglob("*")):
            if path.is_file():
                yield path


def went_without_id(notice: Record) -> bool:
    """Return whether a message went of which nobody ever told an id: its answer was lost, and a reply may name it."""
    return notice["message_id"] is None and notice["state"] in WENT


def number_of(order: Record | str) -> str:
    """An order's number."""
    return order if isinstance(order, str) else str(order["customerOrderNumber"])


def phone_of(order: Record) -> str:
    """An order's phone, E.164."""
    return str(order["shippingAddress"]["contactPhone"])


def owner_of(account: str) -> str:
    """Under which name an account's callbacks stand in the inbox: a client's under its merchant's."""
    kind, _, merchant = account.partition(":")
    return merchant if kind == "client" else f"account:{account}"


def path_of(system: str, owner: str, generation: int = 1) -> str:
    """The path of a hook's URL."""
    return f"/hooks/{system}/{make_token(SECRET, system, owner, generation)}"


def wait_a_moment() -> None:
    """Let the machine's clock go on, so that what comes now is later than what came before."""
    time.sleep(0.002)


def _are_over(control: Any) -> bool:
    return {one["state"] for one in control.deliveries()} <= CALLS_ENDED


def _is_kept(path: Path) -> bool:
    """Say whether people may stand in a file: a database with what belongs to it, or evidence."""
    return any(word in path.name for word in (".duckdb", ".sqlite", ".evidence.jsonl"))


def _where(text: str, said: str, files: Mapping[Path, str]) -> list[str]:
    wanted = text.casefold()
    raw = wanted.encode().decode("latin-1")
    found = ["what was said"] if wanted in said else []
    return found + [path.name for path, content in files.items() if raw in content]
