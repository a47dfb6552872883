"""Starts the stand-ins as processes, gives their addresses and controls, and stops them again: the Python handle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import yaml

from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.core.audience_clients import ShopControl, WaymoreControl
from vs_st_pipeline.sandbox.core.audience_findings import audience_findings
from vs_st_pipeline.sandbox.core.certificates import Certificates
from vs_st_pipeline.sandbox.core.clients import Control, SimpleTextingControl, VinoshipperControl
from vs_st_pipeline.sandbox.core.consumer_clients import (
    HubSpotControl,
    KlaviyoControl,
    SalesforceControl,
    SoPostControl,
    consumer_sections,
)
from vs_st_pipeline.sandbox.core.consumer_findings import findings
from vs_st_pipeline.sandbox.core.notices_clients import EshopboxControl, GupshupControl
from vs_st_pipeline.sandbox.core.notices_findings import notices_findings
from vs_st_pipeline.sandbox.core.order_clients import Commerce7Control, order_sections
from vs_st_pipeline.sandbox.core.order_findings import order_findings
from vs_st_pipeline.sandbox.core.parcel_sections import parcel_sections, shared_accounts, winery_notices
from vs_st_pipeline.sandbox.core.shop_sections import shop_sections
from vs_st_pipeline.sandbox.core.switches import Switches
from vs_st_pipeline.sandbox.scenarios.index import (
    CONSUMER_SYSTEMS,
    PARCEL_SYSTEMS,
    SHOP_SYSTEMS,
    merchants_of,
    systems_of,
)

CONTROLS: dict[str, type[Control]] = {
    "vinoshipper": VinoshipperControl,
    "simpletexting": SimpleTextingControl,
    "sopost": SoPostControl,
    "hubspot": HubSpotControl,
    "klaviyo": KlaviyoControl,
    "salesforce": SalesforceControl,
    "commerce7": Commerce7Control,
    "shop": ShopControl,
    "waymore": WaymoreControl,
    "gupshup": GupshupControl,
    "eshopbox": EshopboxControl,
}
UNPACED = ("commerce7", "shop", *PARCEL_SYSTEMS)
"""Systems whose settings know no requests per second, or say it themselves."""
C = TypeVar("C", bound=Control)


class NotStarted(RuntimeError):
    """The port of a stand-in cannot be had; the text says which and why."""


@dataclass(frozen=True)
class SandboxMerchant:
    """A merchant and its keys."""

    id: str
    name: str
    vs_key: str
    vs_secret: str
    st_token: str


@dataclass(frozen=True)
class StandInHandle(Generic[C]):
    """One running stand-in: `url` stands before /api/v3/p at the shop, before /v2/api at the texting service."""

    url: str
    control: C


class Sandbox:
    """The stand-ins for whose systems the world has records, running; a context manager.

    Args:
        switches: {"vinoshipper": {...}, "simpletexting": {...}}.
        now: what the world takes for now, aware; None: `VS_ST_NOW`, else the clock.
        tls: speak HTTPS with these, and nothing else; None: plain HTTP.
        ports: by system, 0 for any free one; a stand-in named here starts whatever the world has.
    """

    vinoshipper: StandInHandle[VinoshipperControl]
    simpletexting: StandInHandle[SimpleTextingControl]
    sopost: StandInHandle[SoPostControl]
    hubspot: StandInHandle[HubSpotControl]
    klaviyo: StandInHandle[KlaviyoControl]
    salesforce: StandInHandle[SalesforceControl]
    commerce7: StandInHandle[Commerce7Control]
    shop: StandInHandle[ShopControl]
    waymore: StandInHandle[WaymoreControl]
    gupshup: StandInHandle[GupshupControl]
    eshopbox: StandInHandle[EshopboxControl]

    def __init__(
        self,
        scenario: str = "demo",
        switches: dict[str, dict[str, Any]] | None = None,
        port_vinoshipper: int = 0,
        port_simpletexting: int = 0,
        now: datetime | None = None,
        tls: Certificates | None = None,
        ports: dict[str, int] | None = None,
    ) -> None:
        self.scenario = scenario
        self.switches = switches or {}
        for system, values in self.switches.items():
            Switches(system, values)  # refuses a bad one here, where the caller sees it
        self.now = now or _now()
        self.tls = tls
        self.merchants = [
            SandboxMerchant(m.id, m.name, m.vs_key, m.vs_secret, m.st_token) for m in merchants_of(scenario)
        ]
        given = {"vinoshipper": port_vinoshipper, "simpletexting": port_simpletexting}
        given = {system: port for system, port in given.items() if port} | (ports or {})
        self._ports = {**{system: 0 for system in systems_of(scenario) if system in CONTROLS}, **given}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> Sandbox:
        """Start them; their ports are bound when this returns."""
        try:
            started = {system: self._launch(system) for system in self._ports}
            urls = {system: self._url(process) for system, process in started.items()}
        except BaseException:
            self.close()
            raise
        trusted = self.tls.authority if self.tls else None
        for system, url in urls.items():
            setattr(self, system, StandInHandle(url, CONTROLS[system](url, self.merchants[0].id, trusted)))
        return self

    @property
    def running(self) -> dict[str, StandInHandle[Any]]:
        """Return the stand-ins that run, by system."""
        return {system: self.__dict__[system] for system in CONTROLS if system in self.__dict__}

    def close(self) -> None:
        """Stop them and wait until they are gone."""
        for name in CONTROLS:
            handle: StandInHandle[Any] | None = self.__dict__.pop(name, None)
            if handle is not None:
                handle.control.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._processes.clear()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reset(self) -> None:
        """Reset them to the start: records, switches, faults, hooks, journals, counters."""
        for handle in self.running.values():
            handle.control.reset()

    def findings(self) -> list[Record]:
        """Return what no client may have done at the stand-ins of all routes but `contacts`."""
        judges = (findings, order_findings, audience_findings, notices_findings)
        return [one for judge in judges for one in judge(self.running)]

    def write_settings(
        self, folder: Path | str, merchants: dict[str, dict[str, Any]] | None = None, **overrides: Any
    ) -> Path:
        """Write merchants.yaml and key files; overrides go into `defaults`, those of `merchants` into single ones."""
        folder = Path(folder)
        keys = folder / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        keys.chmod(0o700)
        defaults: dict[str, Any] = {"time_zone": "America/Los_Angeles"}
        systems = systems_of(self.scenario)
        defaults |= {system: {"requests_per_second": 500} for system in systems if system not in UNPACED}
        listed, top = [], {}
        for merchant in self.merchants:
            entry: dict[str, Any] = {"id": merchant.id, "name": merchant.name}
            if systems == PARCEL_SYSTEMS:
                urls = {name: handle.url for name, handle in self.running.items()}
                there = self.eshopbox.control.keys(merchant.id) if "eshopbox" in self.running else {}
                entry |= parcel_sections(merchant.id, urls, there, lambda name, text: _kept(keys / name, text))
                top = shared_accounts(
                    [one.id for one in self.merchants], urls, lambda name, text: _kept(keys / name, text)
                )
                listed.append(merged(entry, (merchants or {}).get(merchant.id, {})))
                continue
            if systems == SHOP_SYSTEMS:
                given = {
                    system: handle.control.keys(merchant.id)
                    for system, handle in self.running.items()
                    if system == "commerce7"
                }
                entry |= shop_sections(merchant, {name: handle.url for name, handle in self.running.items()}, given,
                                       folder, lambda name, text: _kept(keys / name, text))  # fmt: skip
                if "gupshup" in self.running and "shop" not in entry:
                    urls = {name: handle.url for name, handle in self.running.items()}
                    entry |= winery_notices(merchant.id, urls, lambda name, text: _kept(keys / name, text))
                    top = shared_accounts([merchant.id], urls, lambda name, text: _kept(keys / name, text))
                listed.append(merged(entry, (merchants or {}).get(merchant.id, {})))
                if "shop" in self.running and "shop" in entry:
                    self.shop.control.begin_drops(entry["shop"]["drop"], merchant.id)
                continue
            if "vinoshipper" in systems:
                entry["vinoshipper"] = {
                    "base_url": self.vinoshipper.url,
                    "api_key": _kept(keys / f"{merchant.id}.vs_key", merchant.vs_key),
                    "api_secret": _kept(keys / f"{merchant.id}.vs_secret", merchant.vs_secret),
                }
            if "vinoshipper" in systems and "simpletexting" in self.running:
                entry["simpletexting"] = {
                    "base_url": self.simpletexting.url + "/v2",
                    "api_token": _kept(keys / f"{merchant.id}.st_token", merchant.st_token),
                }
            if "commerce7" in self.running:
                keys_there = self.commerce7.control.keys(merchant.id)
                entry |= order_sections(
                    merchant.id, self.commerce7.url, keys_there, self.now, lambda name, text: _kept(keys / name, text)
                )
                if "gupshup" in self.running:
                    urls = {name: handle.url for name, handle in self.running.items()}
                    entry |= winery_notices(merchant.id, urls, lambda name, text: _kept(keys / name, text))
                    top = shared_accounts([merchant.id], urls, lambda name, text: _kept(keys / name, text))
            if "sopost" in systems:
                urls = {system: self.running[system].url for system in CONSUMER_SYSTEMS}
                given = {system: self.running[system].control.keys(merchant.id) for system in CONSUMER_SYSTEMS}
                entry |= consumer_sections(merchant.id, urls, given, lambda name, text: _kept(keys / name, text))
            listed.append(merged(entry, (merchants or {}).get(merchant.id, {})))
        path = folder / "merchants.yaml"
        whole = {"defaults": merged(defaults, overrides), **top, "merchants": listed}
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return path

    def _launch(self, system: str) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        root = str(Path(__file__).resolve().parents[3])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
        command = [sys.executable, "-m", f"vs_st_pipeline.sandbox.{system}"]
        command += ["--port", str(self._ports[system]), "--scenario", self.scenario]
        command += ["--now", self.now.isoformat(), "--switches", json.dumps(self.switches.get(system, {}))]
        if self.tls:
            command += ["--certificate", str(self.tls.certificate), "--key", str(self.tls.key)]
        # A session of their own: Ctrl-C is the parent's to handle, and the children see its end by the pipe.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        self._processes.append(process)
        return process

    def _url(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"sandbox: the stand-in ended with {process.wait()}")
        told = json.loads(line)
        if "error" in told:
            raise NotStarted(f"sandbox: {told['error']}")
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{told['port']}"


def _now() -> datetime:
    text = os.environ.get("VS_ST_NOW")
    at = datetime.fromisoformat(text) if text else datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _kept(path: Path, secret: str) -> str:
    """Write a secret for its owner only and return the reference to it, relative to the merchants file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(secret + "\n")
    return f"file:{path.parent.name}/{path.name}"
