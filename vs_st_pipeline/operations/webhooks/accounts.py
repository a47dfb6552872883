"""Lists and rotates the hook URL of an account that several merchants share (routes.md R9, R36, R64).

Such an account stands at the top of the merchants file, which a person wrote: nothing here changes it. What a person
was shown is remembered beside the account's file, without the token.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.hints import name_of_account
from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.rotating import OVERLAP
from vs_st_pipeline.operations.webhooks.seen import FILE, Seen, SeenSystem
from vs_st_pipeline.operations.webhooks.site import Site
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.hooks import hook_url, make_token, masked
from vs_st_pipeline.platform.inbox.questions import is_proved
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.settings.merchants import MerchantsFile
from vs_st_pipeline.platform.settings.shared import SharedAccount
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks

_NAME: Final = "callbacks"


def find(file: MerchantsFile, account_ids: Sequence[str]) -> list[SharedAccount]:
    """Return the accounts of these ids.

    Raises:
        LookupError: the file has none of an id; says which it has.
        BadSettings: what an account's entry says of its URL cannot be read.
    """
    known = {one.id: one for one in file.shared}
    found = []
    for account_id in dict.fromkeys(account_ids):
        if account_id not in known:
            there = f"there are {', '.join(known)}" if known else "it has none"
            raise LookupError(f"there is no account '{account_id}' at the top of {file.path}; {there}")
        one = known[account_id]
        if one.webhooks is None:
            raise one.fault or BadSettings(f"the account {one.id} cannot be read")
        found.append(one)
    return found


def look(account: SharedAccount, site: Site, data_dir: Path, inbox: Inbox, *, show: bool = False) -> Entry:
    """Say how the account's URL stands; nobody can be asked what is registered.

    Args:
        show: a person is shown the URL by this; it is remembered.
    """
    part, name = _part(account), name_of_account(account.id)
    token = make_token(site.secrets[0], account.system, name, part.generation)
    url, shown = hook_url(site.url, account.system, token), hook_url(site.url, account.system, masked(token))
    path = data_dir / "accounts" / account.id / FILE
    known = _seen(path).of(account.system)
    if show and known.shown != shown:
        make_own_folder(path.parent)
        known = SeenSystem(time.time(), shown=shown)
        write_atomically(path, msgspec.json.encode(Seen({account.system: known})))
    has_called = is_proved(inbox, name, account.system, part.generation)
    is_told = known.shown == shown or has_called
    entry = Entry(name)
    state = State.TOLD if is_told else State.UNPROVEN
    entry.hooks.append(Row(account.system, _NAME, state, None, shown, url))
    if not has_called:
        entry.says.append("no call has come by this URL yet")
    if not is_told:
        entry.says.append(_by_hand(account.system))
    return entry


def rotate(account: SharedAccount, site: Site, data_dir: Path, inbox: Inbox, *, at_once: bool, now: datetime) -> Entry:
    """Say which lines give the account's URL a new token, or end the overlap of a rotation that is under way.

    Args:
        at_once: the older token is not taken any more, not even for a day. now: aware UTC.
    """
    part, entry = _part(account), look(account, site, data_dir, inbox)
    under_way = part.generation > 1 and part.previous_until is not None
    proved = (name_of_account(account.id), account.system, part.generation) in inbox.proved_tokens()
    lines = []
    if under_way and not proved:
        entry.says.append("a rotation is under way: no call has come by the new URL yet, so the older one is taken")
        if at_once:
            lines = ["previous_until: null"]
    else:
        until = "null" if at_once else (now + OVERLAP).replace(microsecond=0).isoformat()
        lines = [f"generation: {part.generation + 1}", f"previous_until: {until}"]
    if lines:
        entry.says.append(
            f"write these lines, in place of those of the same keys, under the account at the top of the merchants "
            f"file; then `vs-st webhooks list --account {account.id} --show-urls` shows its URL: "
            f"{_by_hand(account.system)}"
        )
        entry.paste = [f"{_key_of(account.system)}:", f"  {account.id}:", *(f"    {line}" for line in lines)]
    return entry


def _part(account: SharedAccount) -> SystemWebhooks:
    assert account.webhooks is not None, "`find` returns no other"
    return account.webhooks


def _key_of(system: str) -> str:
    return next((one.shared.key for one in CONNECTORS if one.name == system and one.shared is not None), system)


def _by_hand(system: str) -> str:
    return next((one.hooks.by_hand for one in CONNECTORS if one.name == system and one.hooks is not None), "")


def _seen(path: Path) -> Seen:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    return Seen()
