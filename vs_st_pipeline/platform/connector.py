"""Describes a system as the rest of the house sees it: its name, its account, and how to make a client.

A connector is a value, made once in `connectors/<system>/__init__.py` and listed in `connectors.CONNECTORS`. Generic
rooms are handed connectors and never import one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from vs_st_pipeline.platform.http.client import HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret


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
    """

    base_url: str
    key: Secret
    requests_per_second: float


@dataclass(frozen=True, slots=True)
class Connector(Generic[ClientT]):
    """One system.

    Attributes:
        name: its key in the merchants file, the prefix of its tables, its name in reports, errors and assets.
        title: its name in sentences for people.
        account: returns the account that a merchant's settings name.
        connect: makes a client; it sends no request.
        keys: returns all secrets that a merchant's settings name for this system.
    """

    name: str
    title: str
    account: Callable[[Merchant], Account]
    connect: Callable[[Merchant, Pace], ClientT]
    keys: Callable[[Merchant], tuple[Secret, ...]]
