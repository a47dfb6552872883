"""Describes a system as the rest of the house sees it: its name, its account, and how to make a client.

A connector is a value, made once in `connectors/<system>/__init__.py` and listed in `connectors.CONNECTORS`. Generic
rooms are handed connectors and never import one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources.abc import Traversable
from typing import Generic, Protocol, TypeVar

from vs_st_pipeline.platform.hooks import Hooks
from vs_st_pipeline.platform.http.client import HttpClient, Pace
from vs_st_pipeline.platform.looking import Looking
from vs_st_pipeline.platform.rereads import Rereading
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.shared import SharedSection
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.limitations import Limitation
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, Suppressed


class Client(Protocol):
    """What every system's client has: the HTTP client that counts its calls."""

    http: HttpClient


ClientT = TypeVar("ClientT", bound=Client)


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a merchant's requests go to; processes that speak with the same key share its rate.

    Attributes:
        base_url: without a slash at the end.
        key: the secret that names the account to the system.
        requests_per_second: above 0.
        requests_per_minute: the most in any 60 s, where that is what the system counts; None: `requests_per_second`
            says all.
        limited_by: whose requests the system counts together, where it is not who has the key: a tenant of one app.
    """

    base_url: str
    key: Secret
    requests_per_second: float
    requests_per_minute: int | None = None
    limited_by: str | None = None

    @property
    def rate_key(self) -> str:
        """Return what names those who share the rate."""
        return self.key.reveal() if self.limited_by is None else self.limited_by


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a person gives when a merchant is onboarded.

    Attributes:
        setting: its key in the system's section.
        column: its column in a table of merchants, and the name of the file that keeps it.
        variable: how the name of the environment variable ends that may hold it.
        asks: what a person is asked for.
    """

    setting: str
    column: str
    variable: str
    asks: str


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """What an account says of itself to whoever has its key.

    Attributes:
        says: that the key is good, in words for people.
        name: of whom the account is; None where it does not say.
        disagrees: what does not fit together, a sentence each, by the word with which a person agrees (`--accept`).
        lacks: what must be set up in the account first; `""` where nothing must.
    """

    says: str
    name: str | None = None
    disagrees: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class AccountSetup(Generic[ClientT]):
    """How a merchant's account at a system is onboarded.

    Attributes:
        keys: what a person gives. accept: the words that may stand in `AccountSeen.disagrees`.
        look: asks whether the keys are good, and what account they open; raises as the client does.
    """

    keys: tuple[Key, ...]
    look: Callable[[ClientT, Merchant], AccountSeen]
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connector(Generic[ClientT]):
    """One system.

    Attributes:
        name: its key in the merchants file, the prefix of its tables, its name in reports, errors and assets.
        title: its name in sentences for people.
        account: returns the account that a merchant's settings name.
        connect: makes a client; it sends no request.
        settings: what may stand under its key in the merchants file.
        streams: what the system is asked for, and where it stands in `raw`; a file that lacks one of these tables is of
            routes that do without the system.
        plan_inputs: what a plan depends on of the system's tables, each as the rest of a query after `select`: a count
            and a hash. Bodies are in it by their hashes, so that a quiet sync reads none of them from the disk.
        plan_version: raised when the connector works out something else from the same input.
        limitations: returns what the account does not let us see now, and since when (UTC without zone).
        prune: reduces raw bodies read before a moment that nothing needs any more, where a merchant wants that.
        find_named: adds to what is found the phones and ids of records with the e-mails and ids that were given.
        find_person: adds to the names of people what this system's records say of the same people.
        find_suppressed: returns (kind, value) of stored records that are a forgotten person's, where nothing names them
            that `suppression.known_names` finds by itself.
        migrations: the folder of its own tables' numbered SQL; None where it stores nothing.
        hooks: how the system calls us by webhooks; None where it does not.
        setup: how a merchant's account is onboarded; None where nothing is asked for.
        looking: how a list shows what it tells by no webhook; None where webhooks tell all.
        rereading: how its records are read again in turn; None where each sync that polls it is an ordinary one.
        key_advice: what else a person does where the system refuses a key that is right; `""`: nothing.
        shared: accounts that several merchants share, at the top of the merchants file; None where there are none.
    """

    name: str
    title: str
    account: Callable[[Merchant], Account]
    connect: Callable[[Merchant, Pace], ClientT]
    settings: type[SettingsModel]
    streams: tuple[Stream, ...] = ()
    plan_inputs: tuple[str, ...] = ()
    plan_version: int = 1
    limitations: Callable[[Db], Sequence[tuple[Limitation, datetime]]] = lambda _db: ()
    prune: Callable[[Db, datetime], None] = lambda _db, _before: None
    find_named: Callable[[Db, Identifiers, Identifiers], None] = lambda _db, _given, _found: None
    find_person: Callable[[Db, Identifiers], None] = lambda _db, _names: None
    find_suppressed: Callable[[Db, Suppressed], Iterable[tuple[str, str]]] = lambda _db, _suppressed: ()
    migrations: Traversable | None = None
    rereading: Rereading | None = None
    hooks: Hooks | None = None
    setup: AccountSetup[ClientT] | None = None
    looking: Looking | None = None
    key_advice: str = ""
    shared: SharedSection | None = None
