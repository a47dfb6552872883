"""Worlds of route `consumers` under switches of its four stand-ins: which, with which settings, and what must hold.

What is not known of a system is a switch, and every value of each must be lived with: whoever consented is subscribed
in the end, or the report says what is in the way; and section 12 of the contract holds after each sync.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.routes.consumers import chunks
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    HUBSPOT,
    KLAVIYO,
    SALESFORCE,
    SOPOST,
    TRIAL,
    Look,
    Record,
    Scene,
    consent,
)
from vs_st_pipeline_tests.support.receiving import receiving, url

Switches = dict[str, dict[str, Any]]
Value = tuple[str, str, Any]
"""A system, a switch and one of its values."""

WORLDS = 8
# These end a system's part of every sync, or let nothing come of the first ones, so each has a world of its own.
ENDING: dict[str, list[tuple[str, Any]]] = {
    SOPOST: [("order_lag_404", 3)],
    HUBSPOT: [("rate_429", "daily")],
    KLAVIYO: [("revision_retired", 410)],
    SALESFORCE: [
        ("external_id", "missing"),
        ("external_id", "not_unique"),
        ("opted_out_field", "hidden"),
        ("limit_at", 10),
    ],
}
# A value that nothing comes of but for another one beside it.
TOGETHER: dict[Value, Record] = {
    (HUBSPOT, "rate_429", word): {"rate_limit_every": 7} for word in ("retry_after", "policy_only", "daily")
} | {(KLAVIYO, "rate_429", word): {"rate_limit_every": 7} for word in ("retry_after", "bare")}
FAILED: dict[Value, tuple[str, str]] = {
    (HUBSPOT, "rate_429", "daily"): (HUBSPOT, "try_later"),
    (KLAVIYO, "revision_retired", 410): (KLAVIYO, "config"),
    (SALESFORCE, "external_id", "missing"): (SALESFORCE, "config"),
    (SALESFORCE, "external_id", "not_unique"): (SALESFORCE, "config"),
    (SALESFORCE, "opted_out_field", "hidden"): (SALESFORCE, "config"),
    (SALESFORCE, "limit_at", 10): (SALESFORCE, "try_later"),
}
"""Under these a CRM fails, and how."""
# Under these some of a CRM's people are told of as rejected or unknown, and not subscribed.
MAY_OWE: dict[str, set[Value]] = {
    HUBSPOT: {(HUBSPOT, "list_kind", "DYNAMIC"), (HUBSPOT, "resubscribe", "item_error"),
              (HUBSPOT, "resubscribe", "silently_kept")},
    # A list with double opt-in waits for people to confirm.
    KLAVIYO: {(KLAVIYO, "subscribe_lag_polls", "never"), (KLAVIYO, "subscribe_on_suppressed", "skips"),
              (KLAVIYO, "timestamps", "absent"), (KLAVIYO, "list_opt_in", "double_opt_in"),
              (KLAVIYO, "job_lag_polls", "never"), (KLAVIYO, "deleted_write", 400)},
    SALESFORCE: set(),
}  # fmt: skip
WAITS = (0, 20, 90, 7 * 60, *[2 * 3600] * 4)
"""Seconds between the syncs: past a pending order, reads that come too early, and Klaviyo's hour."""
FEW_WAITS = (0, 20, 2 * 3600)
"""The same where time is short: who is owed then may wait for an order, as long as the report says so."""
HURRY = 10.0  # waits between tries and looks are so many times shorter
WANT = ("plain", "both", "o'neil", "known", "offlist", "already", "long.ago")
"""Who must be subscribed everywhere in the end, of those who are told of."""
NEVER = ("nothing", "just.now")


def every_value() -> Iterator[Value]:
    """All values of all switches."""
    for system, switches in CONSUMER_SWITCHES.items():
        for name, values in switches.items():
            for value in values:
                yield system, name, tuple(value) if isinstance(value, list) else value


def covering() -> list[Switches]:
    """Few worlds in which every value of every switch is at least once."""
    return [{system: _of_world(system, world) for system in CONSUMER_SWITCHES} for world in range(WORLDS)]


def _of_world(system: str, world: int) -> dict[str, Any]:
    ending = ENDING.get(system, [])
    from_end = WORLDS - 1 - world
    chosen = {}
    for name, values in CONSUMER_SWITCHES[system].items():
        left = [value for value in values if (name, value) not in ending]
        chosen[name] = left[world % len(left)]
    if from_end < len(ending):
        name, value = ending[from_end]
        chosen[name] = value
    found = with_companions(system, chosen)
    return {**found, "rate_limit_every": None} if world == 0 and "rate_limit_every" in found else found


def with_companions(system: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a value needs beside it, to have any effect."""
    found = dict(chosen)
    for name, value in chosen.items():
        found |= TOGETHER.get((system, name, value if not isinstance(value, list) else tuple(value)), {})
    return found


def values_of(switches: Switches) -> set[Value]:
    """The values that a world has, lists as tuples."""
    return {
        (system, name, tuple(value) if isinstance(value, list) else value)
        for system, chosen in switches.items()
        for name, value in chosen.items()
    }


def fitting(scene: Scene, switches: Switches) -> Callable[[Record], None]:
    """Return what sets an entry's settings as somebody would who knows how these systems behave."""
    keys = scene.box.sopost.control.keys(scene.merchant)
    sopost, hubspot = switches.get(SOPOST, {}), switches.get(HUBSPOT, {})

    def secret(name: str) -> str:
        path = scene.folder / "keys" / f"{scene.merchant}.sopost_{name}"
        path.write_text(str(keys[name]) + "\n")
        path.chmod(0o600)
        return f"file:keys/{path.name}"

    def edit(entry: Record) -> None:
        source = entry["sopost"]
        match sopost.get("auth"):
            case "header":
                source |= {"auth": "header", "header": "X-Api-Key"}
            case "basic":
                source.pop("token")
                source |= {"auth": "basic", "user": keys["user"], "password": secret("password")}
            case "client_credentials":
                source.pop("token")
                source |= {"auth": "client_credentials", "client_id": secret("client_id")}
                source |= {"client_secret": secret("client_secret"), "token_url": source["base_url"] + "/oauth/token"}
        if sopost.get("order_time") == "created_at":
            source["order_time"] = "created_at"
        source["consent_given"] = ["APPROVED", "GIVEN"]
        source["consent_without_status"] = "given" if sopost.get("consent_status") == "absent" else "hold"
        if hubspot.get("version"):
            entry["hubspot"]["api_version"] = hubspot["version"]
        hook: Record = {}
        if sopost.get("webhook_header") == "fixed":
            hook |= {"header": keys["header"], "header_value": secret("header_value")}
        if sopost.get("signature", "none") != "none":
            form = sopost.get("signature_form", "plain")
            signature = {"header": keys["signature_header"], "secret": secret("signing_secret")}
            signature |= {"encoding": sopost["signature"], "prefix": "sha256=" if form == "prefixed" else ""}
            signature |= {"timestamp_header": "X-Timestamp"} if form == "timestamped" else {}
            hook["signature"] = signature
        if hook:
            entry["webhooks"] = {"sopost": hook}

    return edit


def begin(scene: Scene, switches: Switches) -> list[Record]:
    """Set the switches, and let people order; returns the events that webhooks tell of."""
    scene.settings(fitting(scene, switches), give_up_after="5s", klaviyo={"batch_wait": "1s"})
    for crm, kind in ((scene.box.hubspot.control, "contacts"), (scene.box.klaviyo.control, "profiles")):
        for name, gone in (("long.ago", 400 * 86_400), ("just.now", 60)):
            crm.add(kind, {"email": f"{name}@example.com"})
            crm.move_clock(-gone)
            crm.unsubscribe(f"{name}@example.com")
            crm.move_clock(gone)
    scene.box.salesforce.control.add("contacts", {"Email": "just.now@example.com", "LastName": "Now"})
    scene.box.salesforce.control.suppress("just.now@example.com")
    for system, chosen in switches.items():
        scene.box.running[system].control.set_switches(chosen)
    more = {"both": (consent(), consent(TRIAL)), "nothing": (None,)}
    new = ("plain", "both", "nothing", "o'neil", "long.ago", "just.now")
    ids = [scene.order(f"{name}@example.com", *more.get(name, ()), told=False) for name in new]
    events = [{"order_id": id, "event": word} for id in ids for word in ("PENDING", "APPROVED")]
    sopost = scene.box.sopost.control
    world = {str(one["email"]): str(one["id"]) for one in sopost.orders(scene.merchant)}
    for name in ("known", "offlist", "already"):
        id = world[f"{name}@example.com"]
        if switches.get(SOPOST, {}).get("webhook_style") != "dropped":  # else nobody tells that it was approved before
            sopost.set_status(id, "DISPATCHED")
        events += [{"order_id": id, "event": word} for word in ("APPROVED", "DISPATCHED")]
    return events


def tell(scene: Scene, events: list[Record]) -> None:
    """Let the stand-in's webhooks tell of events, in its own style, to our receiver, until all calls are over."""
    whole = yaml.safe_load((scene.folder / "merchants.yaml").read_text())
    with receiving(scene.folder, whole["merchants"], inbox=scene.inbox, defaults=whole["defaults"]) as receiver:
        address = f"http://127.0.0.1:{receiver.port}{url(scene.merchant, SOPOST)}"
        control = scene.box.sopost.control
        for some in (events, events[-1:]):  # what comes late goes out with the next sending
            control.send(*({**event, "url": address} for event in some), merchant=scene.merchant)
        ends = time.monotonic() + 10
        while any(one["state"] in ("waiting", "sending") for one in control.deliveries(scene.merchant)):
            assert time.monotonic() < ends, "calls of webhooks are not over"
            time.sleep(0.02)


def imported(scene: Scene, events: list[Record]) -> None:
    """Import the orders that no webhook told of."""
    file, at = scene.folder / "export.txt", datetime.now(UTC).isoformat()
    file.write_text("\n".join(sorted({str(event["order_id"]) for event in events})))
    words = ("consumers", "import", "--merchant", scene.merchant, str(file), "--create", "--consented-at", at)
    done = scene.run(*words)
    assert done.exit_code == 0, done


def meet(scene: Scene, switches: Switches, waits: Sequence[float] = WAITS) -> list[str]:
    """Live through a world: tell, sync, and sync again while time goes by; returns what is wrong in the end."""
    events, values = begin(scene, switches), values_of(switches)
    tell(scene, events)
    if (SOPOST, "webhook_style", "dropped") in values:
        imported(scene, events)
    reports, wrong = [], list[str]()
    for waited in WAITS if (SOPOST, "order_lag_404", 3) in values else waits:
        if waited:
            scene.later(seconds=waited)
        reports.append(scene.sync())
        wrong += scene.wrong()
        if wrong or _is_done(scene, reports[-1]):
            break
    return wrong + not_lived_with(scene, switches, reports)


def _is_done(scene: Scene, report: Record) -> bool:
    look = scene.look()
    return report["status"] == "ok" and not any(owed(look, crm) for crm in CRMS)


def owed(look: Look, crm: str) -> set[str]:
    """Who should be subscribed there and is not."""
    return {f"{name}@example.com" for name in WANT} - look.subscribed(crm)


def not_lived_with(scene: Scene, switches: Switches, reports: list[Record]) -> list[str]:
    """What is not as it must be after the last of these reports; nothing, if all is well."""
    values, look, last = values_of(switches), scene.look(), reports[-1]
    wrong = scene.wrong()
    ends = {crm: kind for value in values if value in FAILED for crm, kind in [FAILED[value]]}
    for crm in CRMS:
        odd = {f"{name}@example.com" for name in NEVER} & look.subscribed(crm)
        wrong += [f"{crm}: subscribed, and must not be: {sorted(odd)}"] if odd else []
        part = last["crms"][crm]
        told = [one["crms"][crm]["error"]["kind"] for one in reports if one["crms"][crm]["error"]]
        if crm in ends:
            if ends[crm] not in told and owed(look, crm):
                wrong.append(f"{crm}: {ends[crm]} is not told, but {told}")
            continue
        wrong += [f"{crm}: failed with {part['error']}"] if part["error"] else []
        missing = owed(look, crm)
        if last["waiting"]["orders"]:
            continue
        # Who is held is told once, by the sync that looked.
        held = max(sum(one["crms"][crm]["planned"]["held"].values()) for one in reports)
        says = part["synced"]["rejected"] + part["synced"]["unknown"] + last["waiting"]["consumers"]
        if missing and not (MAY_OWE[crm] & values):
            wrong.append(f"{crm}: not subscribed: {sorted(missing)}; {part}")
        elif not says and len(untold := missing - _told_of(scene, crm, missing)) > held:
            wrong.append(f"{crm}: not subscribed, and nothing says so: {sorted(untold)}; {part}")
        double = [email for email, rows in look.people.items() if len(rows) > 1 and email != "double@example.com"]
        wrong += [f"doubled at Salesforce: {double}"] if double else []
    return wrong


def _told_of(scene: Scene, crm: str, emails: set[str]) -> set[str]:
    """Return those of whom the evidence says what has become of it: to be confirmed, or given up."""
    return {
        email
        for email in emails
        if any(one["outcome"] in ("awaiting_confirmation", "rejected") for one in scene.evidence(email, crm))
    }


@contextmanager
def hurrying() -> Iterator[None]:
    """Make all waits shorter while it lasts, and nothing else other than it is."""
    usual = time.sleep

    def shorter(seconds: float) -> None:
        usual(seconds / HURRY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", shorter)
        for function in (HttpClient.__init__, KlaviyoClient.__init__):
            patch.setitem(function.__kwdefaults__ or {}, "sleep", shorter)
        for name in ("_FIRST_WAIT", "_LONGEST_WAIT"):
            patch.setattr(chunks, name, getattr(chunks, name) / HURRY)
        yield
