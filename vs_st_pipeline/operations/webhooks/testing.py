"""Posts to our own hook URLs, as a vendor would, and looks into the inbox for what came (webhooks-onboarding.md H38).

No vendor is called: which webhooks stand is taken from what was last seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.hints import TEST
from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.entry import GOOD, Entry
from vs_st_pipeline.operations.webhooks.seen import SeenHook, read_seen
from vs_st_pipeline.operations.webhooks.site import Site
from vs_st_pipeline.operations.webhooks.wanted import systems_with_hooks
from vs_st_pipeline.platform.hooks import TEST_KEY, token_hash
from vs_st_pipeline.platform.http.probe import NoAnswer, post
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import SecretError, resolve_secret

SECONDS: Final = 10.0
OK, WRONG_ANSWER, NOT_STORED = "ok", "wrong_answer", "not_stored"
_READY_SECONDS: Final = 12.0  # a receiver looks at the settings every five seconds
_ALIVE_SECONDS: Final = 30.0


def post_tests(
    run: Run,
    site: Site,
    inbox: Inbox,
    environ: Mapping[str, str],
    *,
    also: Collection[str] = (),
    seconds: float | None = None,
) -> Entry:
    """Post to the URL of each webhook that was last seen well, once for several that have the same one.

    Args:
        inbox: where the receiver stores what comes.
        environ: where header secrets are looked up.
        also: systems whose present URL is tested whatever was seen: a person may have registered it by hand.
        seconds: for the answer and the entry; None: `SECONDS`.
    """
    merchant = run.merchant
    entry, seen = Entry(merchant.id), read_seen(run.warehouse.data_dir, merchant.id)
    systems = [one.name for one in systems_with_hooks(merchant)]
    rows = [_row(site, merchant, hook) for hook in seen.hooks if hook.system in systems]
    for name in systems:
        url, shown = site.hook_url(merchant, name), site.shown_url(merchant, name)
        is_told = token_hash(url) in seen.of(name).told.values()
        if (name in also or is_told) and not any(row.system == name for row in rows):
            rows.append(Row(name, name, State.TOLD if is_told else State.UNPROVEN, None, shown, url))
    told: dict[str, str] = {}
    for row in rows:
        if row.state in GOOD or (row.system in also and row.shown == site.shown_url(merchant, row.system)):
            if row.url not in told:
                try:
                    told[row.url] = _try(row, merchant, inbox, environ, SECONDS if seconds is None else seconds)
                except SecretError as error:
                    fault = BadSettings(f"webhooks.{row.system}.header_value: {error}", system=row.system)
                    entry.errors.setdefault(row.system, fault)
                    continue
            row = replace(row, test=told[row.url])
        entry.hooks.append(row)
    entry.wants_all = not also  # what stands is not asked here, only what the URL answers
    if not any(row.test for row in entry.hooks) and not entry.errors:
        entry.errors[""] = BadSettings(
            "no webhook of this merchant is known to be registered; `vs-st webhooks list` looks, `register` makes "
            "them, and one that a person entered is tried with --system NAME"
        )
    return entry


def wait_until_taken(
    site: Site,
    merchant: Merchant,
    system: str,
    inbox: Inbox,
    environ: Mapping[str, str],
    *,
    seconds: float = _READY_SECONDS,
) -> bool:
    """Wait until calls to a new URL are taken, if a receiver of this installation is alive: it reads settings anew.

    Older URLs are removed after that, so that no call of a vendor goes to a URL that nobody knows yet.

    Returns:
        Whether older ones may go: False where somebody answers at the new URL, and does not take it.
    """
    beat = inbox.last_beat("receiver")
    if beat is None or inbox.clock() - beat > _ALIVE_SECONDS:
        return True
    until, url = time.monotonic() + seconds, site.hook_url(merchant, system)
    body = msgspec.json.encode({TEST_KEY: secrets.token_hex(8)})
    try:
        headers = _headers(merchant, system, body, environ)
    except SecretError:
        return False
    while (told := post(url, body, headers, 2.0)) != 204 and time.monotonic() < until:
        _pause(0.5)
    return told == 204 or isinstance(told, NoAnswer)  # it may be out of reach from here alone


def _row(site: Site, merchant: Merchant, hook: SeenHook) -> Row:
    state, shown = State(hook.state), site.shown_url(merchant, hook.system)
    if state is State.OK and hook.url != shown:  # the settings have changed since
        state = State.OLD_GENERATION
    url = site.hook_url(merchant, hook.system)
    return Row(hook.system, hook.name, state, hook.id, hook.url, url)


def _try(row: Row, merchant: Merchant, inbox: Inbox, environ: Mapping[str, str], seconds: float) -> str:
    nonce = secrets.token_hex(16)
    body = msgspec.json.encode({TEST_KEY: nonce})
    until = time.monotonic() + seconds
    found = post(row.url, body, _headers(merchant, row.system, body, environ), seconds)
    if isinstance(found, NoAnswer):
        return found.value
    if found != 204:
        return WRONG_ANSWER
    while True:
        if is_stored(inbox, merchant.id, row.system, nonce):
            return OK
        if time.monotonic() >= until or not inbox.exists:
            return NOT_STORED
        _pause(min(0.1, max(0.0, until - time.monotonic())))


def is_stored(inbox: Inbox, merchant: str, system: str, nonce: str) -> bool:
    """Say whether a test call is in the inbox."""
    rows = inbox.ask(
        """select 1 from entries where merchant = ? and system = ? and kind = ?
             and json_extract(kept, '$."vs-st-test"') = ? limit 1""",
        [merchant, system, TEST, nonce],
    )
    return bool(rows)


def _headers(merchant: Merchant, system: str, body: bytes, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a call must prove itself by, as `webhooks.{system}` says (routes.md R10)."""
    part, headers = merchant.webhooks.of(system), dict[str, str]()
    if part.header and part.header_value:
        headers[part.header] = resolve_secret(part.header_value, Path.cwd(), environ)
    if (sign := part.signature) is not None:
        key, signed = resolve_secret(sign.secret, Path.cwd(), environ), body
        if sign.timestamp_header:
            stamp = str(int(time.time()))
            headers[sign.timestamp_header] = stamp
            signed = stamp.encode() + b"." + body
        digest = hmac.new(key.encode(), signed, hashlib.sha256).digest()
        written = digest.hex() if sign.encoding == "hex" else base64.b64encode(digest).decode()
        headers[sign.header] = sign.prefix + written
    return headers


def _pause(seconds: float) -> None:
    time.sleep(seconds)
