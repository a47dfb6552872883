"""Tells a person what to do about a merchant that is in trouble."""

from __future__ import annotations

from vs_st_pipeline.connectors import key_advice
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, TryLater
from vs_st_pipeline.pipeline.status_file import Error

MENDS_ITSELF = (TryLater.kind, BadAnswer.kind)


MISSED = 3  # this many syncs of its own interval may be missed before a merchant is late, whatever the setting says


KEYS_PLACE = "where the merchants file says"


_NOTHING_YET = "Nothing yet: every tick tries again. If it lasts, "
_IT_LASTS = "Every tick tries again, but it lasts: "

WHAT_TO_DO = {
    "auth": f"Renew the key and put it {KEYS_PLACE}; nothing was lost.",
    "try_later": f"{_NOTHING_YET}ask the vendor whether it is down or blocks us.",
    "bad_answer": f"{_NOTHING_YET}report the trace id to the vendor.",
    "unsafe": "Ask the winery whether it is right. If not, repair the shop; nothing was written.",
    "config": "Put the setting right that the message names, or the account at the vendor.",
    "internal": "Report it; the message names the place in our code.",
}


_HELD_UP_HERE = f"{_NOTHING_YET}the cause is on this machine and no vendor's: close or end what the message names."


LATE_WITHOUT_ERROR = "See whether sync_schedule is switched on and its runs get through: nobody tried to sync it."


def what_to_do_unread(records: str) -> str:
    """Return what a person should do about records that cannot be read; `records` is the route's word for many."""
    what = _one(records)
    return f"`vs-st check` names the records and what cannot be seen; `vs-st why` says what it means for {what}."


def what_to_do_refused(records: str) -> str:
    """Return what a person should do about refused records; `records` is the route's word for many."""
    what = _one(records)
    return f"`vs-st why` says of {what} what was refused and what to do; `vs-st retry` tries at once."


def _one(records: str) -> str:
    one = records.removesuffix("s")
    return f"an {one}" if one[:1] in "aeiou" else f"a {one}"


def what_to_do(error: Error, *, lasts: bool = False) -> str:
    """Return what a person should do about an error, `""` where there is no advice.

    Args:
        lasts: it has been so for too long for waiting to be advice.
    """
    told = _what_to_do(error)
    return told.replace(_NOTHING_YET, _IT_LASTS) if lasts else told


def _what_to_do(error: Error) -> str:
    if error.kind == TryLater.kind and error.system is None:  # a file or a lock that another process holds
        return _HELD_UP_HERE
    besides = key_advice(error.system) if error.kind == BadKey.kind else ""
    return WHAT_TO_DO.get(error.kind, "") + (f" If the key is right, {besides}." if besides else "")
