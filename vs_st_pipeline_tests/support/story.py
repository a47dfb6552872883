"""What the story tests share: a world with its settings, the real command run on it, and looks at what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.clients import SimpleTextingControl, VinoshipperControl

Record = dict[str, Any]

TEST, OTHER = "test-winery", "other-winery"
MARISOL, ODALYS, BRAM, HALLORANS = "7075550142", "7075550151", "5035550143", "7075550144"
FFION, FFION_AGAIN, PIPER, TOBIAS = "7075550149", "7075550150", "7075550145", "7075550146"
WANDA, RENSKE, STRANGER = "7075550148", "7075550147", "7075550160"
SYNCED = (MARISOL, ODALYS, BRAM, HALLORANS, FFION, FFION_AGAIN, RENSKE)

BUILTINS = ("firstName", "lastName", "email", "birthday")
NOW_AND_ALWAYS = dict.fromkeys(
    ("customer_list", "customer_details", "open_orders", "settled_orders", "reconcile"), "0s"
)


_AFTER_FIRST_SYNC: dict[Sandbox, tuple[Path, list[Record]]] = {}


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    def of(self, merchant: str = TEST) -> Record:
        """One merchant's part of what it printed."""
        found: Record = next(row for row in self.json["merchants"] if row["merchant"] == merchant)
        return found


class Story:
    """A world, its settings and its data folder."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.folder = folder
        self.data = folder / "data"
        self.remembered = ""
        self.more_environment: dict[str, str] = {}
        self.settings()

    def remember(self, what: str) -> None:
        """Keep an id that the world gave, for later in the story."""
        self.remembered = what

    @property
    def shop(self) -> VinoshipperControl:
        return self.box.vinoshipper.control

    @property
    def texting(self) -> SimpleTextingControl:
        return self.box.simpletexting.control

    def settings(self, merchants: dict[str, Record] | None = None, **defaults: Any) -> Path:
        """Write the merchants file; everything is read in every sync, so that no story hangs on an interval."""
        always: Record = {
            "give_up_after": "2s",
            "vinoshipper": {"refresh": NOW_AND_ALWAYS},
            "simpletexting": {"full_read": "0s", "batch_wait": "2s"},
        }
        for key, value in defaults.items():
            always[key] = {**always.get(key, {}), **value} if isinstance(value, dict) else value
        for system in ("vinoshipper", "simpletexting"):
            always[system] = {"requests_per_second": 500, **always[system]}
        return self.box.write_settings(self.folder, merchants, **always)

    def environment(self, now: datetime | str | None = None) -> dict[str, str | None]:
        return {
            "VS_ST_MERCHANTS": str(self.folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(self.data),
            "VS_ST_NOW": str(now) if now else None,
            **self.more_environment,
        }

    def run(self, *arguments: str, now: datetime | str | None = None) -> Ran:
        """Run the command in this process."""
        done = CliRunner().invoke(cli, list(arguments), env=self.environment(now))
        if isinstance(done.exception, BadSettings):  # the console script turns it into this code
            return Ran(2, done.stdout, done.exception.message)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    def as_run(self, now: datetime | None = None, merchant: str = TEST) -> Run:
        """A run for looking at what is stored, without a command."""
        environ = {**os.environ, **{k: v for k, v in self.environment().items() if v is not None}}
        found = read_merchants(self.folder / "merchants.yaml", environ).get(merchant)
        assert found is not None
        return Run(found, warehouse_at(self.data), lambda: now or datetime.now(UTC))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command as a process of its own."""
        environment = {k: v for k, v in {**os.environ, **self.environment()}.items() if v is not None}
        return subprocess.Popen(
            [sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, *arguments: str, now: datetime | str | None = None, every: bool = False) -> Ran:
        """`vs-st sync --json` for the test winery, or for all."""
        return self.run("sync", *(("--all",) if every else ("--merchant", TEST)), "--json", *arguments, now=now)

    def synced(self, *arguments: str, now: datetime | str | None = None) -> Record:
        """The same, for the test winery, and it must go well; its report."""
        done = self.sync(*arguments, now=now)
        report = done.of()
        assert (done.exit_code, report["status"], report["error"]) == (0, "ok", None), done
        return report

    def failed(
        self, kind: str, *arguments: str, system: str | None = None, now: datetime | str | None = None
    ) -> Record:
        """The same, and it must fail in this way; its report."""
        done = self.sync(*arguments, now=now)
        report = done.of()
        assert done.exit_code == 1, done
        assert report["status"] == "failed", report
        assert report["error"]["kind"] == kind, report
        assert system is None or report["error"]["system"] == system, report
        return report

    def begin_synced(self) -> None:
        """As after a first good sync of the test winery: data folder and contacts are those that one real sync left.

        It is made once per world and copied, since most stories begin there.
        """
        if self.box not in _AFTER_FIRST_SYNC:
            self.synced()
            keep = Path(tempfile.mkdtemp(prefix="synced-", dir=self.folder.parent))
            shutil.copytree(self.data, keep / "data")
            _AFTER_FIRST_SYNC[self.box] = (keep / "data", self.texting.contacts(TEST))
        else:
            folder, contacts = _AFTER_FIRST_SYNC[self.box]
            shutil.copytree(folder, self.data)
            for contact in contacts:
                self.texting.call(
                    "PUT", f"records/contacts/{contact['contactId']}", contact, merchant=TEST, touch="false"
                )
        self.clear_journals()

    def forget(self) -> None:
        """The data folder is lost."""
        shutil.rmtree(self.data)
        cli_sync._warehouse = None

    # What came of it.

    def contact(self, phone: str, merchant: str = TEST) -> dict[str, str]:
        """What a contact says, by label and builtin name; empty fields are left out."""
        return says(self.texting.contact(phone, merchant), self.labels(merchant))

    def labels(self, merchant: str = TEST) -> dict[str, str]:
        return {field["mergeTag"]: field["label"] for field in self.texting.custom_fields(merchant)}

    def everybody(self, merchant: str = TEST) -> dict[str, dict[str, str]]:
        """What all contacts say, by phone."""
        labels = self.labels(merchant)
        return {contact["contactPhone"]: says(contact, labels) for contact in self.texting.contacts(merchant)}

    def writes(self, merchant: str | None = TEST) -> list[Record]:
        """Requests to the texting service that were no reads, since the journal was cleared."""
        return [entry for entry in self.texting.journal(merchant) if entry["method"] != "GET"]

    def written_phones(self) -> Counter[str]:
        """How often each phone was written, one by one or by batch."""
        counts: Counter[str] = Counter()
        for entry in self.writes():
            for update in entry["body"].get("updates", [entry["body"]]) if entry["body"] else []:
                counts[update["contactPhone"]] += 1
        return counts

    def clear_journals(self) -> None:
        self.shop.clear_journal()
        self.texting.clear_journal()

    def clean(self) -> None:
        """Nobody was made, nobody touched who had not opted in, and nothing foreign is gone."""
        assert self.texting.violations() == []
        assert self.texting.created() == []
        assert self.texting.lost() == []

    # What happens in the world.

    def crowd(self, count: int) -> list[str]:
        """More customers, each with a recent order and a contact; their phones."""
        phones = []
        for i in range(count):
            phone = f"70755502{i:02d}"
            person = self.shop.add_customer(
                firstName=f"Crowd{i}",
                lastName="Member",
                email=f"crowd{i}@example.com",
                primaryPhone={"number": phone, "country": "1", "extension": None},
                dateOfBirth={"day": 1, "month": 2, "year": 1970},
            )
            self.shop.add_order(person["id"], orderNumber=f"CR{i:03d}", total="40.00", orderStatus="LABELS_GENERATED")
            self.texting.add_contact(phone)
            phones.append(phone)
        return phones

    def id_of(self, phone: str, merchant: str = TEST) -> str:
        return str(self.texting.contact(phone, merchant)["contactId"])


def says(contact: Record, labels: dict[str, str]) -> dict[str, str]:
    """A contact's builtin fields and custom fields by label, empty ones left out."""
    values = {name: contact[name] for name in BUILTINS}
    values |= {labels.get(tag, tag): value for tag, value in contact["customFields"].items()}
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, with both."""
    return {
        key: (before.get(key), after.get(key)) for key in sorted({*before, *after}) if before.get(key) != after.get(key)
    }


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look again and again until it has happened; a process that ended can make nothing happen any more."""
    while not happened():
        assert process.poll() is None, process.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def with_settings(merchant: Merchant, section: str, **values: Any) -> Merchant:
    """The merchant with other values in a section; those of a part of it by a mapping."""

    def changed(settings: Any, update: dict[str, Any]) -> Any:
        inner = {k: changed(getattr(settings, k), v) if isinstance(v, dict) else v for k, v in update.items()}
        return settings.model_copy(update=inner)

    return replace(merchant, sections={**merchant.sections, section: changed(merchant.sections[section], values)})


def personal_and_secret(box: Sandbox) -> set[str]:
    """Every phone (as written and as digits), e-mail address and key of the world."""
    found: set[str] = set()
    for merchant in box.merchants:
        found |= {merchant.vs_secret, merchant.st_token, merchant.vs_key}
        for customer in box.vinoshipper.control.customers(merchant.id):
            found |= {customer["email"] or "", (customer["primaryPhone"] or {}).get("number") or ""}
        for contact in box.simpletexting.control.contacts(merchant.id):
            found |= {contact["email"] or "", contact["contactPhone"]}
    found |= {re.sub(r"\D", "", text) for text in found if "@" not in text and re.fullmatch(r"[\d() .x+-]{10,}", text)}
    return {text for text in found if len(text) >= 6}
