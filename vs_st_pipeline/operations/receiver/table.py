"""Makes the table of the URLs that are taken, from the merchants file and the secrets of the tokens (H1, H5, H14).

It is long because an entry, its URLs and what each of them takes are one table.

Data flow: MerchantsFile -> Own (what each merchant's entry says of its webhooks) -> tokens -> Table.

A table is never changed: a new one takes its place. What a URL has used up of its calls (H6) goes along.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.hints import NOTHING, WHOLE, WITHOUT_HINT, Call, is_account, name_of_account
from vs_st_pipeline.operations.receiver.proofs import Header, Signature
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import Hooks, make_token, masked
from vs_st_pipeline.platform.settings.merchants import Merchant, MerchantsFile, Sketch
from vs_st_pipeline.platform.settings.secrets import SecretError, resolve_secret
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookSettings


@dataclass(frozen=True, slots=True)
class Own:
    """What one merchant's entry says of its webhooks.

    Attributes:
        routes: names of those that calls are stored for; by system. A system that the entry lacks is not in it.
        off: systems whose calls are answered, and not stored.
        accounts: how the merchant's account is named in a system's calls, by system, as far as that is known.
    """

    webhooks: WebhookSettings
    routes: Mapping[str, tuple[str, ...]]
    off: frozenset[str]
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    """How many calls a URL may still make at once; filled as time goes by (H6)."""

    left: float
    at: float

    def take(self, rate: float, burst: int, now: float) -> bool:
        """Take a call; False where there is none left."""
        self.left = min(float(burst), self.left + (now - self.at) * rate)
        self.at = now
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """A URL that is taken.

    Attributes:
        token: as the URL has it. shown: as it may be printed.
        until: epoch seconds from which on it is none any more; None: never.
        proves: its generation, where a call by it is what an older one waits for (routes.md R36).
        off: answered, and not stored.
        account: how the merchant's account is named in calls; None: it is not known, or calls name none.
        wants: names of routes by kind of record; `others` are those of a kind that no route wants.
    """

    system: str
    merchant: str
    token: bytes = field(repr=False)
    shown: str
    hooks: Hooks
    off: bool
    until: float | None
    header: Header | None
    signature: Signature | None
    wants: Mapping[str, tuple[str, ...]]
    all_routes: tuple[str, ...]
    any_is_wanted: bool
    bucket: Bucket
    proves: int | None = None
    account: str | None = None

    def about_us(self, call: Call) -> Call:
        """Return a call; one that names another account than the merchant's is no hint.

        Of content that nothing can be asked about again it is kept that it was signed: a consent may rest on it.
        """
        if self.signature is not None and self.hooks.answers_counts and call.kind not in WITHOUT_HINT:
            call = replace(call, kept={**call.kept, "signed": True})
        if self.account is None or call.account in (None, self.account):
            return call
        return replace(call, kind=NOTHING, id=None)

    def routes_of(self, kind: str) -> tuple[tuple[str, ...], bool]:
        """Return the routes that a call of this kind is stored for, and whether they want it."""
        if kind == WHOLE:
            return self.all_routes, True
        if kind in WITHOUT_HINT:
            return self.all_routes, False
        if found := self.wants.get(kind):
            return found, True
        return self.all_routes[:1], self.any_is_wanted


@dataclass(frozen=True, slots=True)
class Table:
    """The URLs that are taken.

    Attributes:
        hooks: by the SHA-256 of their tokens. own: by merchant or shared account, for the next table.
        warnings: what could not be read, a sentence each.
        secrets: what the references of the entries gave, so that another value is noticed.
    """

    hooks: Mapping[bytes, Hook]
    own: Mapping[str, Own]
    warnings: tuple[str, ...] = ()
    secrets: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def find(self, system: bytes, token: bytes, now: float) -> Hook | None:
        """Return the hook of a URL; None where it is none."""
        hook = self.hooks.get(sha256(token).digest())
        if hook is None or not hmac.compare_digest(hook.token, token):
            return None
        if hook.system.encode() != system or (hook.until is not None and now >= hook.until):
            return None
        return hook


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes tables.

    Attributes:
        connectors: those that have hooks count. secrets: of the tokens; the first one makes them, all are accepted.
        clock: monotonic seconds, of the buckets.
        proved: returns the tokens by which a call has come (`Inbox.proved_tokens`).
    """

    connectors: Sequence[Connector[Any]]
    routes: Sequence[Route]
    secrets: Sequence[str]
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    proved: Callable[[], Collection[tuple[str, str, int]]] = frozenset

    def make(self, found: MerchantsFile, old: Table | None) -> Table:
        """Return the table of a merchants file; what is broken in it is as it was in the old table."""
        own = {merchant.id: self._own(merchant) for merchant in found.merchants}
        before = {} if old is None else old.own
        for bad in found.bad:
            if bad.id is None or bad.id in own:
                continue
            if bad.id in before:
                own[bad.id] = before[bad.id]
            elif bad.sketch is not None:
                own[bad.id] = self._sketched(bad.sketch)
        if not found.names_all:  # whom the files that cannot be read list is not known
            own = {**{name: one for name, one in before.items() if not is_account(name)}, **own}
        own |= self._shared(found, before)
        return self.with_secrets(own, {} if old is None else old.hooks)

    def with_secrets(self, own: Mapping[str, Own], before: Mapping[bytes, Hook]) -> Table:
        """Return the table of what the entries say; their secrets are read anew."""
        hooks: dict[bytes, Hook] = {}
        reader, proved = _Secrets(self.environ), self.proved()
        for merchant_id, one in own.items():
            for connector in self.connectors:
                if connector.hooks is not None and connector.name in one.routes:
                    for hook in self._hooks(merchant_id, one, connector, connector.hooks, reader, proved):
                        key = sha256(hook.token).digest()
                        known = before.get(key)
                        hooks[key] = hook if known is None else replace(hook, bucket=known.bucket)
        return Table(hooks, own, tuple(reader.warnings), reader.values)

    # --- what entries say ---

    def _shared(self, found: MerchantsFile, before: Mapping[str, Own]) -> dict[str, Own]:
        """Return what stands in the file of accounts that several merchants share; their calls are stored always (R30).

        One whose own part cannot be read is as it was.
        """
        own = {}
        for account in found.shared:
            name = name_of_account(account.id)
            if account.webhooks is not None:
                systems = {account.system: account.webhooks}
                routes = {account.system: self._routes_with(account.system)}
                own[name] = Own(WebhookSettings(systems=systems), routes, frozenset())
            elif name in before:
                own[name] = before[name]
        if not found.knows_shared:
            own = {name: one for name, one in before.items() if is_account(name)} | own
        return own

    def _routes_with(self, system: str) -> tuple[str, ...]:
        return tuple(route.name for route in self.routes if any(one.name == system for one in route.connectors))

    def _own(self, merchant: Merchant) -> Own:
        there = {one.name for one in self.connectors if one.hooks is not None and _has_url(merchant, one, one.hooks)}
        # A route that is at fault will be mended: its calls are stored. One that is paused, or off today, has none.
        on = {*merchant.routes, *(merchant.faults.keys() - merchant.paused - merchant.off.keys())}
        accounts = {
            one.name: one.hooks.account(merchant.section(one.settings))
            for one in self.connectors
            if one.hooks is not None and one.hooks.account is not None and merchant.has(one.settings)
        }
        return replace(self._of(merchant.enabled, merchant.webhooks, there, on), accounts=accounts)

    def _sketched(self, sketch: Sketch) -> Own:
        on = {route.name for route in self.routes if all(need & sketch.sections for need in route.needs)}
        there = {one.name for one in self.connectors if one.name in sketch.sections}
        return self._of(sketch.enabled, sketch.webhooks, there, on)

    def _of(self, enabled: bool, webhooks: WebhookSettings, systems: set[str], on: set[str]) -> Own:
        routes = {name: self._routes_with(name) for name in systems}
        stored = {name: tuple(route for route in found if route in on) for name, found in routes.items()}
        off = set()
        for connector in self.connectors:
            if connector.hooks is None or connector.name not in systems:
                continue
            if connector.hooks.stores_when_off:
                meant = tuple(name for name in routes[connector.name] if self._has_systems_of(name, systems))
                stored[connector.name] = stored[connector.name] or meant or routes[connector.name]
            elif not (enabled and webhooks.enabled and stored[connector.name]):
                off.add(connector.name)
        return Own(webhooks, stored, frozenset(off))

    def _has_systems_of(self, name: str, systems: set[str]) -> bool:
        """Say whether an entry with these systems could have a route; its own section may be missing still."""
        known = {connector.name for connector in self.connectors}
        route = next(route for route in self.routes if route.name == name)
        return all(not systems.isdisjoint(need) for need in route.needs if need <= known)

    # --- tokens ---

    def _hooks(
        self,
        merchant_id: str,
        own: Own,
        connector: Connector[Any],
        hooks: Hooks,
        reader: _Secrets,
        proved: Collection[tuple[str, str, int]],
    ) -> list[Hook]:
        system, routes = own.webhooks.of(connector.name), own.routes[connector.name]
        try:
            header, signature = reader.proofs(system)
        except SecretError as error:
            where = merchant_id if is_account(merchant_id) else f"{merchant_id}: webhooks.{connector.name}"
            reader.warnings.append(f"{where}: {error}; its URL answers 404 till then")
            return []
        hinted = [route for route in self.routes if route.name in routes and route.hinted is not None]
        wants = {
            kind: tuple(one.name for one in hinted if one.hinted and kind in one.hinted.wants.get(connector.name, ()))
            for kind in hooks.kinds
        }
        found = []
        # Nobody can be asked whether such a system calls the new URL by now.
        waits = hooks.stores_when_off and (merchant_id, connector.name, system.generation) not in proved
        for generation, until in _generations(system, waits=waits):
            for secret in self.secrets:
                token = make_token(secret, connector.name, merchant_id, generation)
                found.append(
                    Hook(
                        connector.name,
                        merchant_id,
                        token.encode(),
                        masked(token),
                        hooks,
                        connector.name in own.off,
                        until,
                        header,
                        signature,
                        wants,
                        routes,
                        any_is_wanted=not hinted,  # where no route takes hints, they wait for what will
                        bucket=Bucket(float(hooks.burst), self.clock()),
                        proves=generation if waits and generation == system.generation > 1 else None,
                        account=own.accounts.get(connector.name),
                    )
                )
        return found


def _has_url(merchant: Merchant, connector: Connector[Any], hooks: Hooks) -> bool:
    """Say whether a merchant has a URL of its own at a system; where its section is at fault it may have had one."""
    if merchant.has(connector.settings):
        return hooks.gives_url(merchant.section(connector.settings))
    return merchant.names(connector.settings)


def _generations(system: SystemWebhooks, *, waits: bool) -> list[tuple[int, float | None]]:
    """Return the generations of tokens that are taken, each with the time until which it is.

    Args:
        waits: the one before holds until a call has come by the present one, whatever the time (routes.md R36).
    """
    now: list[tuple[int, float | None]] = [(system.generation, None)]
    if (until := system.previous_until) is None or system.generation == 1:
        return now
    return [*now, (system.generation - 1, None if waits else until.timestamp())]


class _Secrets:
    """Reads what `header_value` and `signature.secret` refer to, each reference once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.values: dict[str, str | None] = {}
        self.warnings: list[str] = []

    def proofs(self, system: SystemWebhooks) -> tuple[Header | None, Signature | None]:
        header, signature = None, None
        if system.header is not None:
            if system.header_value is None:
                raise SecretError("header is there, and header_value is not")
            header = Header(_name(system.header), self._read(system.header_value))
        if (wanted := system.signature) is not None:
            stamp = None if wanted.timestamp_header is None else _name(wanted.timestamp_header)
            signature = Signature(
                _name(wanted.header), self._read(wanted.secret), wanted.encoding, wanted.prefix.encode(), stamp
            )
        return header, signature

    def _read(self, reference: str) -> bytes:
        try:
            value = resolve_secret(reference, Path.cwd(), self._environ)
        except SecretError:
            self.values[reference] = None
            raise
        self.values[reference] = value
        return value.encode("ascii")


def values_of(references: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return what references give now; None where one cannot be read."""
    reader = _Secrets(environ)
    for reference in references:
        try:
            reader._read(reference)
        except SecretError:
            continue
    return reader.values


def _name(header: str) -> bytes:
    return header.strip().lower().encode("latin-1", "replace")
