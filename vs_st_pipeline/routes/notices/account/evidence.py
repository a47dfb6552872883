"""Keeps beside an account's file what must outlive it (routes.md R35): its salt, consents, who was claimed, bills.

Data flow: a claim or an opt-out -> one line with fsync, inside the transaction of the account's file, before its commit
-> after a loss, the account's file again.

A line is written first, so a line may tell of a claim that was never made, and never the other way: after a loss that
message is taken for sent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line

SALT, CLAIM, CONSENT = "salt", "claim", "consent"
BILLED, CLOSED = "billed", "billing_closed"  # a line of a final month (7.7); the month is final
CLAIMS_SINCE: Final = "claims_since"  # fact: older claims were removed
_NEWEST: Final = 262_144  # bytes
_DAMAGED: Final = (
    KeyError, TypeError, ValueError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError,
)  # fmt: skip
"""What a line of another version, or a damaged one, raises."""
ABOUT: Final = (
    "kind", "merchant", "exempt", "unit_key", "status", "occurrence", "merchant_order", "order_number", "reply_id",
    "template_id", "category", "occurred_at", "occurred_to",
)  # fmt: skip
"""What a line of a claim tells besides id, phone and time."""
_NAMES: Final = frozenset({"phone", "consent", "evidence", "order_number", "merchant_order", "unit_key"})
"""What names a person, or what was bought."""
_BILLED: Final = ("month", "notice_id", "merchant", "of_month", "bucket", "was", "amount", "currency", "detail")


def put_salt(file: EvidenceFile, salt: str) -> None:
    """Store the salt, where it is not there yet."""
    if salt_in(file) != salt:
        file.append([{"what": SALT, "salt": salt}])


def salt_in(file: EvidenceFile) -> str | None:
    """Return the salt that is stored; the newest, None: there is none."""
    found = None
    for line in file.read():
        if line.get("what") == SALT and _is_salt(line.get("salt")):
            found = str(line["salt"])
    return found


def _is_salt(value: object) -> bool:
    try:
        return isinstance(value, str) and len(bytes.fromhex(value)) == 16
    except ValueError:
        return False


def claim_line(about: Mapping[str, Any], phone: str, consent: Mapping[str, Any]) -> Line:
    """Return the line of a claim: what is about to leave, to whom, and by which consent."""
    line = {name: about.get(name) for name in ABOUT if about.get(name) is not None}
    return {"what": CLAIM, "notice_id": about["notice_id"], "try": about["tries"], "at": about["claimed_at"],
            "phone": phone, **line, "consent": json.loads(json.dumps(dict(consent), default=str))}  # fmt: skip


def consent_line(row: Mapping[str, Any]) -> Line:
    """Return the line of a consent or an opt-out."""
    return {"what": CONSENT, **{name: value for name, value in row.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the newest lines tell of, and the tables do not know.

    Attributes:
        consents: some consent or opt-out, or a month that is final.
        is_older: more than one claim, so the file is an older one that was put back. One says nothing: the power may
            have gone between its line and its commit.
    """

    consents: bool = False
    is_older: bool = False

    def __bool__(self) -> bool:
        return self.consents or self.is_older


def ahead(db: sqlite3.Connection, file: EvidenceFile) -> Ahead:
    """Return what the newest lines tell of, and the tables do not know."""
    from vs_st_pipeline.routes.notices.account import store

    since = _claims_since(db)
    salt, unknown, consents = store.about(db, store.SALT), set[str](), False
    for line in file.read(max(0, file.position().size - _NEWEST)):
        try:
            if line.get("what") == CONSENT:
                row = [_hash(line, salt), line["source"], line["at"], line["state"]]
                known = "select 1 from consents where phone_hash = ? and source = ? and at = ? and state = ?"
                consents = consents or db.execute(known, row).fetchone() is None
            elif line.get("what") == CLOSED:
                row = [closed_name(line["merchant"]), line["month"]]
                closed = db.execute("select 1 from facts where name = ? and value >= ?", row)
                consents = consents or closed.fetchone() is None
            elif line.get("what") == CLAIM and line["at"] >= since:
                claim = db.execute("select 1 from claims where notice_id = ?", [line["notice_id"]]).fetchone()
                unknown |= {line["notice_id"]} if claim is None else set()
        except _DAMAGED:
            continue
    return Ahead(consents, len(unknown) > 1)


def _claims_since(db: sqlite3.Connection) -> str:
    """Return since when claims are kept: older ones are not unknown, they were removed (R67)."""
    found = db.execute("select value from facts where name = ?", [CLAIMS_SINCE]).fetchone()
    return "" if found is None else str(found["value"])


def replay(db: sqlite3.Connection, file: EvidenceFile, *, claims: bool = True) -> None:
    """Put into the tables what the lines tell and these do not know; a message that is told of is `unknown`.

    Args:
        claims: messages too. A line of one may be there without its claim, where the power went between the two.
    """
    from vs_st_pipeline.routes.notices.account import store  # which makes its file by this

    salt, since = store.about(db, store.SALT), _claims_since(db)
    for line in file.read():
        try:
            if line.get("what") == CONSENT:
                _consent(db, line, _hash(line, salt))
            elif line.get("what") == BILLED:
                put_billed(db, line)
            elif line.get("what") == CLOSED:
                put_closed(db, line)
            elif line.get("what") == CLAIM and claims and line["at"] >= since:
                _claim(db, line, _hash(line, salt))
        except _DAMAGED:
            continue  # a line of another version, or damaged: it says nothing


def put_billed(db: sqlite3.Connection, line: Mapping[str, Any]) -> None:
    """Store a line of a final month; one that stands stays as it is."""
    db.execute(
        f"insert or ignore into billed ({', '.join(_BILLED)}) values ({', '.join('?' * len(_BILLED))})",
        [line[name] for name in _BILLED],
    )


def closed_name(merchant: str) -> str:
    """Return the name of the fact that says which month of a merchant is final."""
    return f"{CLOSED} {merchant}"


def put_closed(db: sqlite3.Connection, line: Mapping[str, Any]) -> None:
    """Note that a month is final, unless a later one is."""
    db.execute(
        """insert into facts values (?, ?, ?) on conflict do update set value = excluded.value, at = excluded.at
           where excluded.value > value""",
        [closed_name(line["merchant"]), line["month"], line["at"]],
    )


def _hash(line: Line, salt: str) -> str:
    from vs_st_pipeline.routes.notices.account import store

    return str(line["phone_hash"]) if line.get("phone") is None else store.hash_of(salt, str(line["phone"]))


def _consent(db: sqlite3.Connection, line: Line, phone_hash: str) -> None:
    from vs_st_pipeline.routes.notices.account import store

    datetime.fromisoformat(line["at"])
    db.execute(
        """insert or ignore into consents (seq, phone, phone_hash, source, state, at, merchant, merchant_order,
               evidence, number) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            store.next_seq(db), line.get("phone"), phone_hash, line["source"], line["state"], line["at"],
            line.get("merchant"), line.get("merchant_order") or "", line.get("evidence") or "{}", line.get("number"),
        ],
    )  # fmt: skip


def _claim(db: sqlite3.Connection, line: Line, phone_hash: str) -> None:
    from vs_st_pipeline.routes.notices.account import store

    datetime.fromisoformat(line["at"])
    about = {name: line.get(name) for name in ABOUT}
    about |= {"exempt": int(bool(about["exempt"]))}
    db.execute(
        f"""insert into claims (notice_id, phone_hash, state, tries, claimed_at, real, pid, changed, {", ".join(about)})
            values (?, ?, 'unknown', ?, ?, 0, 0, ?, {", ".join("?" * len(about))})
            on conflict do update set tries = excluded.tries, claimed_at = excluded.claimed_at, state = 'unknown',
                changed = excluded.changed, retry_at = null where excluded.tries > claims.tries""",
        [line["notice_id"], phone_hash, int(line["try"]), line["at"], store.next_seq(db), *about.values()],
    )


def make_again(db: sqlite3.Connection, file: EvidenceFile) -> None:
    """Write a file that was lost anew, from what the tables know: no phones of claims, which are hashes there."""
    from vs_st_pipeline.routes.notices.account import store

    lines: list[Line] = [{"what": SALT, "salt": store.about(db, store.SALT)}]
    lines += [
        {name: value for name, value in consent_line(dict(row)).items() if name != "seq"}
        for row in db.execute("select * from consents order by seq")
    ]
    lines += [{"what": BILLED, **dict(row)} for row in db.execute("select * from billed order by rowid")]
    lines += [
        {"what": CLOSED, "merchant": row["name"].removeprefix(closed_name("")), "month": row["value"], "at": row["at"]}
        for row in db.execute("select * from facts where name glob ?", [closed_name("*")])
    ]
    for row in db.execute("select * from claims order by changed"):
        line = claim_line(dict(row), "", {})
        lines.append(
            {name: value for name, value in line.items() if name != "phone"} | {"phone_hash": row["phone_hash"]}
        )
    file.append(lines)


def forget(file: EvidenceFile, phones: Mapping[str, str], merchant: str) -> bool:
    """Put hashes in the place of phones, and drop whose order it was; say whether anything was changed.

    Another merchant's messages keep the evidence that it may be asked for.

    It is called inside a transaction of the account's file, so that no line comes meanwhile.

    Args:
        phones: hash by phone.
    """

    return file.rewrite(lambda line: _hashed(line, phones) if line.get("merchant") in (None, merchant) else line)


def leave(file: EvidenceFile, phones: Mapping[str, str], merchant: str) -> bool:
    """Put hashes in the place of phones in the lines of one merchant, which leaves; opt-outs are nobody's own."""
    return file.rewrite(lambda line: _hashed(line, phones) if line.get("merchant") == merchant else line)


def prune(file: EvidenceFile, before: str) -> bool:
    """Remove what is told of messages from before a time; who opted out stays out for good (R67)."""

    def is_old(line: Line) -> bool:
        return (line.get("what") == CLAIM and str(line.get("at")) < before) or (
            line.get("what") == BILLED and str(line.get("month")) < before[:7]
        )

    if not any(is_old(line) for line in file.read()):
        return False
    return file.rewrite(lambda line: None if is_old(line) else line)


def _hashed(line: Line, phones: Mapping[str, str]) -> Line:
    phone = line.get("phone")
    if phone is None or phone not in phones:
        return line
    return {**{name: line[name] for name in line if name not in _NAMES}, "phone_hash": phones[phone]}
