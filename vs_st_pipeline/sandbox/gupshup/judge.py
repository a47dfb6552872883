"""Judges what a client sent, at the moment it comes, by what the client could know then.

Of what changes by itself - a template is paused, somebody opts out - a client is only blamed once it has been told: by
a callback that it answered, or by a list that it read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.gupshup.account import TEMPLATE, TEXT, Account, Sent
from vs_st_pipeline.sandbox.gupshup.template import Template
from vs_st_pipeline.sandbox.gupshup.told import Told

RETRYABLE = ("1003", "4001", "130429")
"""Codes after which the same message may come again: WhatsApp never had it."""
LIST_AGE = timedelta(minutes=15)
"""A client reads the list at least so often before it sends."""
IN_FLIGHT = 0.3  # seconds after a 429 in which calls may still come that were under way
STOP_WORDS = ("stop", "unsubscribe", "opt out", "optout", "cancel messages")
START_WORDS = ("start", "unstop")

Key = tuple[str, ...]


class Judge:
    """The book of what was taken, over all accounts: the same person may not get the same twice, whoever sends."""

    def __init__(self) -> None:
        self._book: dict[Key, list[tuple[Account, Sent]]] = {}
        self._paused: dict[str, tuple[float, float]] = {}  # since, until
        self._arrived: dict[str, list[float]] = {}

    def forgive(self, phone: str) -> None:
        """Let what a phone got come again: it happened anew, or a person wants it so."""
        for taken in self._book.values():
            taken[:] = [(account, sent) for account, sent in taken if sent.destination != phone]

    def asked_to_wait(self, account: str, since: float, seconds: float) -> None:
        """Note a 429 with its `Retry-After`."""
        self._paused[account] = (since, since + seconds)

    def arrived(self, account: Account, at: float) -> Iterator[tuple[str, Record]]:
        """Judge that a message comes now, whatever it is."""
        since, until = self._paused.get(account.id, (0.0, 0.0))
        if since + IN_FLIGHT < at < until:
            yield "over_rate", {"why": "before Retry-After was over"}
        times = self._arrived.setdefault(account.id, [])
        times.append(at)
        times[:] = [one for one in times if one > at - 1]
        if account.per_second is not None and len(times) > account.per_second:
            yield "over_rate", {"why": f"{len(times)} within a second"}

    def read(self, account: Account, sent: Sent, template: Template | None) -> Iterator[tuple[str, Record]]:
        """Judge a message that could be read, whether it is taken or not."""
        phone = sent.destination
        if account.known_out(phone) or (
            sent.kind == TEMPLATE and not account.said_yes(phone) and not _out(account, phone)
        ):
            yield "not_opted_in", {"destination": phone}
        if sent.kind == TEXT and not account.in_session(phone):
            yield "outside_session", {"destination": phone}
        if sent.kind != TEMPLATE:
            return
        for owner in dict.fromkeys(owner for text in sent.params if (owner := account.orders.get(str(text)))):
            if owner != phone:
                yield "wrong_person", {"destination": phone, "owner": owner}
        if template is None:
            yield "not_approved", {"template": sent.template}
            return
        if not _knows(template, account.clock.now()):
            return
        if template.status != "APPROVED":
            yield "not_approved", {"template": sent.template, "status": template.status}
        elif (fault := template.fault_of(sent.params, sent.postbacks)) is not None:
            yield "wrong_params", {"template": sent.template, "why": fault}

    def taken(self, account: Account, sent: Sent) -> Iterator[tuple[str, Record]]:
        """Judge a message that is taken by what was taken before."""
        twice: Sent | None = None
        for key in _keys(sent):
            before = self._book.setdefault(key, [])
            twice = twice or next((old for owner, old in before if not _may_repeat(owner, old)), None)
            before.append((account, sent))
        if twice is not None:
            first = {"first": twice.message_id, "first_seq": twice.seq}
            yield "twice", {"destination": sent.destination, "template": sent.template, **first}


def _out(account: Account, phone: str) -> bool:
    """Say whether somebody who had agreed has opted out without the client's knowledge."""
    return bool(account.outs.get(phone))


def _knows(template: Template, now: datetime) -> bool:
    told = template.event is not None and template.event.told_at is not None
    return template.known or told or template.changed_at is None or now - template.changed_at > LIST_AGE


def _keys(sent: Sent) -> list[Key]:
    phone = sent.destination
    if sent.kind == TEXT:
        return [(phone, TEXT, str(sent.text))]
    same = (phone, TEMPLATE, str(sent.template), *map(str, sent.params))
    # By the text as well, since two accounts have two templates; and by what a tap says, whoever gets it and however it
    # reads: two messages with one postback are one message, sent twice.
    return [same, (phone, "reads", str(sent.text)), *(("postback", text) for text in sent.postbacks.values())]


def _may_repeat(account: Account, old: Sent) -> bool:
    if any(code in RETRYABLE and _told(told) for code, told in old.failures):
        return True
    if old.kind != TEXT:
        return False
    # A text answers what somebody wrote: who writes again may get the same again.
    return any(at > old.at for at in account.wrote.get(old.destination, ()))


def _told(told: Told) -> bool:
    return told.told_at is not None


def word(text: str) -> str | None:
    """Return `stop` or `start` where a text says so, by itself."""
    plain = " ".join(text.casefold().split()).strip(" .!?")
    return "stop" if plain in STOP_WORDS else "start" if plain in START_WORDS else None
