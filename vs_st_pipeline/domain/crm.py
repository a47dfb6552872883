"""Names what a route asks of a CRM about people, and what the CRM's connector answers; all CRMs speak in these words.

Data flow: `Sought` -> `Crm.look` -> `Seen` -> (the route judges) -> `Item` -> `Crm.send` -> `Result`.

A connector knows its API: how people are found, what states of consent are called there, how many go into a request,
which answer is about which item. It never decides whether somebody may be subscribed, stores nothing, and sends what it
is given once. The route judges, stores what is about to be sent before it is sent, and remembers outcomes.

It is long because the whole seam between routes and CRMs stands in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

# Why a person is not written, as a CRM shows it (consumers.md 6.2); the route has further reasons.
SEVERAL_CONTACTS = "several_contacts"  # more than one record has the address, and none our key
MERGED_THERE = "merged_there"
OTHER_PRIMARY_EMAIL = "other_primary_email"
DELETED_THERE = "deleted_there"


class State(StrEnum):
    """What a CRM says of one person and one target (consumers.md 7.4)."""

    NEVER = "never"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"


class Step(StrEnum):
    """One kind of request that changes something."""

    FIELDS = "fields"  # creates a record, or updates changed fields of one
    CONSENT = "consent"  # subscribes
    LISTS = "lists"  # adds to lists whose adding is a request of its own
    WITHDRAW = "withdraw"  # undoes a subscription that was ours
    UNLIST = "unlist"  # undoes a list membership that was ours


class FieldType(StrEnum):
    """What a CRM's field holds, as far as it decides how a value is written."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    DATE = "date"
    TIME = "time"
    CHOICE = "choice"
    CHOICES = "choices"
    ANY = "any"  # whatever it is given: texts, numbers, lists


@dataclass(frozen=True, slots=True)
class CrmField:
    """One field of a CRM's records.

    Attributes:
        length: of a text, in characters; None: no limit is known.
        choices: value and label of each, where only these are taken; None: any.
        read_only: also where it is calculated.
        what: the CRM's own word for its type, for people.
    """

    name: str
    type: FieldType
    length: int | None = None
    choices: tuple[tuple[str, str], ...] | None = None
    read_only: bool = False
    what: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What one entry of `consents` subscribes to at one CRM.

    Attributes:
        id: of the subscription type, list or campaign, as text.
        lists: ids of lists that a subscribed person is added to besides; sorted.
    """

    id: str
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """What the CRM says of a target.

    Attributes:
        missing: why nobody can be subscribed there, a sentence for people (no such list, inactive, of another kind).
        confirms: people must confirm before they are on it (double opt-in).
        name: as people know it.
    """

    missing: str | None = None
    confirms: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a CRM account has, read once a sync.

    Attributes:
        fields: by name, as the map must write it; None: the CRM takes any field.
        targets: of those that were asked for.
        doubts: sentences for `vs-st check`.
    """

    fields: Mapping[str, CrmField] | None
    targets: Mapping[Target, TargetInfo]
    doubts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """Somebody to look for.

    Attributes:
        key: `sp_` and the first 40 hex digits of the SHA-256 of `email_key`.
        email: as the newest order writes it. email_key: trimmed, NFC, lower case: what a person is known by.
        record_id: of the record that the ledger knows; None: none.
    """

    key: str
    email: str
    email_key: str
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """A person's record at a CRM.

    Attributes:
        values: of the fields that were asked for, as text; a field that is empty is `""`. A list is a JSON array.
        body: as the CRM said it.
    """

    id: str
    email: str | None
    values: Mapping[str, str]
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands to one target.

    Attributes:
        since: of an unsubscription, the latest time of all that make it one (aware UTC); None: one has none.
        missing: lists of the target that the person is not on; only known where `state` is `subscribed`.
        reason: the CRM's own word for why, such as `HARD_BOUNCE`; `""` for none.
    """

    state: State
    since: datetime | None = None
    missing: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a CRM says of one person, in one look.

    Attributes:
        record: None where there is none, and where `held`.
        held: why the record may not be written (one of the words above); None where it may.
        gone: the record that the ledger knew is not there any more (with `DELETED_THERE`: nor is another one).
        standings: of all targets that were asked for; an address may have some without a record.
        at: when the answer's request left, by `time.monotonic()`; the oldest of all requests of the look.
    """

    record: CrmRecord | None
    held: str | None
    standings: Mapping[Target, Standing]
    at: float
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The consent that a subscription rests on, as far as a CRM is told of it.

    Attributes:
        source: where it was given, without the order; most CRMs group by it. explanation: the same with the order.
        consented_at: aware UTC, for a subscription that is to start no welcome flow; None: an ordinary one.
    """

    source: str
    explanation: str
    consented_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One person's part of a request.

    Attributes:
        id: names it within the sync, such as in trace ids; printable, at most 64 characters.
        record_id: None: there is no record (`FIELDS` creates one; some CRMs subscribe an address).
        values: with `FIELDS`, changed fields alone, as text as in `CrmRecord.values`; `""` clears. The CRM adds what a
            new record must have. It is never told of the e-mail address of a record that is there.
        numbers: names of those values that are numbers, for a CRM whose fields take anything; None: nobody said.
        target, consent: with all other steps.
        lists: with `LISTS` and `UNLIST`, which.
        wholly: with `WITHDRAW`, the person is subscribed to nothing of ours any more: some CRMs unsubscribe globally.
        confirms: with `CONSENT`, as in `TargetInfo`.
    """

    id: str
    person: Sought
    record_id: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    target: Target | None = None
    consent: Consent | None = None
    lists: tuple[str, ...] = ()
    wholly: bool = False
    confirms: bool = False
    numbers: frozenset[str] | None = None


class Ended(StrEnum):
    """What an answer says of one item."""

    ACCEPTED = "accepted"
    TAKEN = "taken"  # it will be done, and is to be looked for
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # the answer does not name it, or none came
    EXISTS = "exists"  # a record is there that was not seen: look, and plan anew
    LOCKED = "locked"  # try the item again
    NOT_DONE = "not_done"  # the request was refused because of other items, nothing of it was done: send it again
    OPTED_OUT = "opted_out"  # `CONSENT`: it has overridden an opt-out that the look had not shown


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item.

    Attributes:
        record_id: of the record that was created or updated, where the answer says so.
        code: the CRM's own word for a refusal; never a text that may hold a person's data.
    """

    ended: Ended
    record_id: str | None = None
    code: str | None = None
    http_status: int | None = None


class Crm(Protocol):
    """One merchant's account at a CRM. Methods raise as the HTTP client does, but where they say otherwise.

    Attributes:
        name: the connector's.
        records_all: people without a consent are written too (`without_consent: record`).
        chunk: people who are looked at and written together, at most.
        steps: the order in which a chunk's requests leave.
        shows_within: how long what was `TAKEN` is looked for before it is unknown.
    """

    @property
    def name(self) -> str: ...
    @property
    def records_all(self) -> bool: ...
    @property
    def chunk(self) -> int: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...
    @property
    def shows_within(self) -> timedelta: ...

    def account(self) -> str | None:
        """Return the id of the account behind the key; None where the key may not ask. Kept for the brake (9a)."""
        ...

    def begin(self, targets: Collection[Target]) -> Setup:
        """Read fields and targets. Raises BadSettings where the account cannot be used as it is set up."""
        ...

    def look(
        self, people: Sequence[Sought], targets: Collection[Target], fields: Collection[str]
    ) -> Mapping[str, Seen]:
        """Read these people's records and how they stand to these targets, by `Sought.key`; changes nothing.

        A person whom an answer does not cover (cut, another's, hollow) is left out: nothing is known of them.
        """
        ...

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests, in order, within the CRM's limits; an item is in exactly one."""
        ...

    def send(self, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        """Send one request (of those that `requests` returned, or of a half of one), once; results by `Item.id`.

        An item that is not in the results is unknown. A request that was refused as a whole, and whose answer names
        some items, rejects these, and the others are `NOT_DONE`.

        Raises:
            Refused: as a whole, and no item is named: nothing was done.
            PipelineError: no answer that says anything; what was done is not known, but for NotSent and KeptBack.
        """
        ...
