"""Names the places between two effects where a proof may kill this process as a power cut would.

Nothing happens at any of them unless `VS_ST_KILL_AT` names one: `committed:3` is the third time that a transaction has
been committed, `any:57` the 57th place of all. It is for `make proof`, on a machine where nothing can be lost.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "VS_ST_KILL_AT"
ANY = "any"
NAMES = (
    "request", "answer", "begun", "migrated", "committed", "closed", "detached", "evidence", "inbox", "onboarding",
    "account", "outbox", "claimed", "answered", "ledger",
)  # fmt: skip
"""A request is about to leave; its answer has come or failed to; a transaction has begun; a step of a file's schema
has been made in it; it has been committed; the last user of a merchant's file is done with it; it has been detached; a
line of evidence, or an account's claim, has been stored; the inbox has committed; an onboarding is about to change, or
has changed, what stands outside of any database; the file of an account that merchants share is about to be committed,
has been, or what was taken from the inbox into it is about to be settled there. Of a message: it stands in the
merchant's database as about to leave; it is claimed; its claim has its answer; the merchant's ledger has it."""

reached: Counter[str] = Counter()
"""How often each place was reached since `enable`, for a proof that wants to know how many there are."""

_armed = False
_name, _turn = "", 0


def enable(at: str) -> None:
    """Count from now on, and kill this process at this place; `any:0` counts only.

    Raises:
        ValueError: it names no place.
    """
    global _armed, _name, _turn
    name, _, turn = at.partition(":")
    if name not in (*NAMES, ANY) or not turn.isdecimal():
        raise ValueError(f"{VARIABLE} takes one of {', '.join((*NAMES, ANY))}, a colon and a number")
    reached.clear()
    _armed, _name, _turn = True, name, int(turn)


def failpoint(name: str) -> None:
    """Note that this place has been reached; kill the process if it is the one that `enable` named."""
    if _armed:
        reached.update((name, ANY))
        if _name in (name, ANY) and reached[_name] == _turn:
            os.kill(os.getpid(), signal.SIGKILL)


if VARIABLE in os.environ:
    enable(os.environ[VARIABLE])
