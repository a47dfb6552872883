"""Keeps one merchant's Klaviyo account: profiles, their consent and suppressions, lists, and what waits to happen.

It is long because consent, suppression, membership and a confirmation that is waited for decide each other.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, ItemFailed, Lag, is_address, text_of
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

SUBSCRIBED, UNSUBSCRIBED, NEVER = "SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"
REMOVABLE = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")
FIELDS = ("email", "phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title", "image")
AGAIN_AFTER = timedelta(minutes=30)  # a second subscription sooner than that is not processed


def stamp(at: datetime) -> str:
    """Return a time as it is stored: UTC with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def new_profile(id: str, email: str | None, at: str, **more: Any) -> Record:
    """Return a profile of somebody who never consented."""
    blank = dict.fromkeys(FIELDS)
    blank |= {"location": {}, "properties": {}, "created": at, "updated": at, "email": email}
    marketing: Record = {"consent": NEVER, "consent_timestamp": None, "last_updated": None, "method": None}
    marketing |= {"custom_method_detail": None, "double_optin": False, "suppression": [], "list_suppressions": []}
    return {"id": id, "attributes": merged(blank, more), "marketing": marketing}


class Pending:
    """Something that happens after so many polls; "never": it does not."""

    def __init__(self, polls: Any, record: Record) -> None:
        self.polls = polls
        self.record = record

    def polled(self) -> bool:
        """Count a poll; say whether its time has come."""
        if self.polls == "never":
            return False
        self.polls = left = int(self.polls) - 1
        return left < 0


class Account:
    """The records of one account, and what the API did to them (`books`)."""

    def __init__(self, merchant: Merchant, part: Record, clock: Clock) -> None:
        self.merchant = merchant
        self.clock = clock
        self.id: str = part.get("account") or f"Acc{merchant.account}"
        self.profiles: dict[str, Record] = part.setdefault("profiles", {})
        self.lists: dict[str, Record] = part.get("lists") or {}
        self.members: dict[str, dict[str, str]] = part.get("members") or {}
        self.deleted: set[str] = set(part.get("deleted") or ())
        self.merged: dict[str, str] = {}
        self.merged_addresses: dict[str, str] = {}
        self.awaiting: dict[tuple[str, str | None], Record] = {}
        self.subscribing: list[Pending] = []
        self.jobs: dict[str, Record] = {}
        self.books: list[Record] = []
        self.told: dict[str, bool] = {}
        """Whether the API last told of an address that it opted out, or is suppressed."""
        self.lag = Lag()
        self._subscribed_at: dict[tuple[str, str | None], datetime] = {}
        self.changed()

    def changed(self) -> None:
        """Find the addresses of all profiles anew."""
        self._by_email = {text_of(p["attributes"]["email"]): id for id, p in self.profiles.items()}
        self._made = len(self.profiles)

    def note(self, what: str, seq: int, **details: Any) -> None:
        """Write into the books."""
        self.books.append({"what": what, "seq": seq, "at": stamp(self.clock.now()), **details})

    # Finding.

    def by_id(self, id: str, switches: Record) -> Record | None:
        """Return a profile by its id, or by one that was merged away."""
        if switches["merge_resolves"] == "destination":
            id = self.merged.get(id, id)
        return self.profiles.get(id)

    def by_email(self, email: str) -> Record | None:
        """Return a profile by its address in any case."""
        id = self._by_email.get(text_of(email))
        return self.profiles.get(id) if id else None

    def resolved(self, email: Any, switches: Record) -> Record | None:
        """Return the profile of an address, also of one that was merged away."""
        found = self.by_email(str(email)) if email else None
        if found is None and switches["merge_resolves"] == "destination":
            found = self.profiles.get(self.merged_addresses.get(text_of(email), ""))
        return found

    def asked_for(self, email: str, switches: Record) -> Record | None:
        """Return the profile that a filter by address finds."""
        found = self.resolved(email, switches)
        if found is not None and self.by_email(email) is None:
            return found  # the destination of a merge, whatever its own address
        if found is not None and switches["email_case"] == "exact" and found["attributes"]["email"] != email:
            return None
        return found

    # Profiles.

    def check(self, given: Record, at: str, switches: Record) -> None:
        """Refuse a profile that cannot be written; `at` is where it stands in the request."""
        values = given.get("attributes") or {}
        email = values.get("email")
        if email is not None and not is_address(email):
            raise ItemFailed("invalid", "Invalid email address", pointer=f"{at}/attributes/email")
        if email is None and not given.get("id") and not values.get("phone_number") and not values.get("external_id"):
            raise ItemFailed("invalid", "One of email, phone_number, external_id or id is required", pointer=at)
        if not isinstance(values.get("properties") or {}, dict):
            raise ItemFailed("invalid", "properties must be an object", pointer=f"{at}/attributes/properties")
        if switches["deleted_write"] == 400 and text_of(email) in self.deleted:
            raise ItemFailed("invalid", "This profile was deleted", pointer=f"{at}/attributes/email")

    def write(self, given: Record, null_clears: bool, switches: Record, seq: int) -> tuple[Record, bool]:
        """Create or update a profile; return it, and whether it is new."""
        values = dict(given.get("attributes") or {})
        meta = (given.get("meta") or values.pop("meta", None) or {}).get("patch_properties") or {}
        id = given.get("id")
        by_email = self.resolved(values.get("email"), switches)
        profile = self.by_id(str(id), switches) if id else by_email
        if id and (profile is None or (by_email is not None and by_email is not profile)):
            raise ItemFailed("not_found", f"A profile with id {id} does not exist.", pointer="/data/id", status=404)
        new = profile is None
        profile = profile or self._create(values.get("email"), seq)
        self.lag.wrote(profile["id"], None if new else profile, int(switches["read_after_write_lag_polls"]))
        if not null_clears:
            values = {k: v for k, v in values.items() if v is not None}
            if "properties" in values:
                values["properties"] = {k: v for k, v in values["properties"].items() if v is not None}
        kept: Record = merged(profile["attributes"], values)
        kept["properties"] = _patched(kept["properties"], meta)
        kept["updated"] = stamp(self.clock.now())
        if new is False and "email" in values:
            self._by_email.pop(text_of(profile["attributes"]["email"]), None)
        self.profiles[profile["id"]] = {**profile, "attributes": kept}
        self._by_email[text_of(kept["email"])] = profile["id"]
        if not new:
            self.note("updated", seq, id=profile["id"], email=kept["email"], fields=sorted(values))
        return self.profiles[profile["id"]], new

    def _create(self, email: Any, seq: int) -> Record:
        self._made += 1
        id = f"01SANDBOX{self.merchant.account:05d}{self._made:012d}"
        self.profiles[id] = new_profile(id, email, stamp(self.clock.now()))
        self._by_email[text_of(email)] = id
        self.deleted.discard(text_of(email))
        self.note("created", seq, id=id, email=text_of(email))
        return self.profiles[id]

    # Consent.

    def opted_out(self, email: str, list_id: str | None) -> str | None:
        """Return when somebody opted out, of a list too; "always" for a suppression that no consent undoes."""
        profile = self.by_email(email)
        if profile is None:
            return None
        marketing = profile["marketing"]
        if any(one["reason"] != "UNSUBSCRIBE" for one in marketing["suppression"]):
            return "always"
        times = [one["timestamp"] for one in marketing["suppression"]]
        times += [one["timestamp"] for one in marketing["list_suppressions"] if one["list_id"] == list_id]
        if marketing["consent"] == UNSUBSCRIBED:
            times += [marketing["consent_timestamp"], marketing["last_updated"]]
        return max(filter(None, times), default=None)

    def opt_in_of(self, list_id: str | None, switches: Record) -> str:
        """Return how people get onto a list; without a list, the account's own way."""
        own = self.lists.get(list_id or "", {}).get("opt_in_process")
        return str(own or switches["list_opt_in"])

    def subscribe(self, wish: Record, switches: Record, seq: int) -> None:
        """Do to one person what a job of subscriptions asks: {email, list, source, historical, consented_at}."""
        email, list_id = wish["email"], wish["list"]
        profile = self.resolved(email, switches) or self._create(email, seq)
        self.lag.wrote(profile["id"], profile, int(switches["read_after_write_lag_polls"]))
        marketing = profile["marketing"]
        key, now = (profile["id"], list_id), self.clock.now()
        details = {"email": text_of(email), "list": list_id, "id": profile["id"], "source": wish["source"]}
        details |= {"before": marketing["consent"], "suppressed": [s["reason"] for s in marketing["suppression"]]}
        if key in self._subscribed_at and now - self._subscribed_at[key] < AGAIN_AFTER:
            self.note("subscribe_passed_over", seq, **details)
            return
        self._subscribed_at[key] = now
        suppressed = bool(marketing["suppression"])
        if suppressed and switches["subscribe_on_suppressed"] == "skips":
            self.note("subscribe_skipped", seq, **details)
            return
        opted_out = marketing["consent"] == UNSUBSCRIBED
        if wish["historical"] and opted_out and switches["historical_respects_unsubscribe"]:
            self.note("subscribe_skipped", seq, **details)
            return
        self._unsuppress(profile, list_id)
        if self.opt_in_of(list_id, switches) == "double_opt_in" and not wish["historical"]:
            self.awaiting[key] = wish
            self.note("confirmation_sent", seq, **details)
            return
        self._subscribed(profile, wish, False)
        self.note("subscribed", seq, historical=wish["historical"], **details)

    def _unsuppress(self, profile: Record, list_id: str | None) -> None:
        marketing = profile["marketing"]
        left = [one for one in marketing["suppression"] if one["reason"] not in REMOVABLE]
        lists = [one for one in marketing["list_suppressions"] if one["list_id"] != list_id]
        self.profiles[profile["id"]] = {
            **profile,
            "marketing": {**marketing, "suppression": left, "list_suppressions": lists},
        }

    def _subscribed(self, profile: Record, wish: Record, double: bool) -> None:
        now = stamp(self.clock.now())
        at = wish.get("consented_at") or now
        changes = {"consent": SUBSCRIBED, "consent_timestamp": at, "last_updated": now, "double_optin": double}
        changes |= {"method": "CUSTOM" if wish.get("source") else "API", "custom_method_detail": wish.get("source")}
        self.set_marketing(profile["id"], changes)
        if wish["list"]:
            self.join(wish["list"], profile["id"])

    def set_marketing(self, id: str, changes: Record) -> Record:
        """Change somebody's consent."""
        profile = self.profiles[id]
        self.profiles[id] = {**profile, "marketing": {**profile["marketing"], **changes}}
        return self.profiles[id]

    def join(self, list_id: str, id: str) -> bool:
        """Put a profile on a list; say whether it was not there."""
        members = self.members.setdefault(list_id, {})
        new = id not in members
        members.setdefault(id, stamp(self.clock.now()))
        return new

    def confirm(self, email: str, list_id: str | None) -> Record:
        """Confirm as the person does who got the message of a double opt-in."""
        for (id, of), wish in list(self.awaiting.items()):
            if text_of(wish["email"]) == text_of(email) and list_id in (None, of):
                del self.awaiting[id, of]
                self._subscribed(self.profiles[id], wish, True)
                return self.profiles[id]
        raise KeyError(f"nobody waits to confirm as {email}")

    def unsubscribe(self, id: str, list_id: str | None) -> Record:
        """Unsubscribe somebody from everything, or from one list."""
        now = stamp(self.clock.now())
        marketing = self.profiles[id]["marketing"]
        if list_id is not None:
            self.members.get(list_id, {}).pop(id, None)
            row = {"list_id": list_id, "reason": "UNSUBSCRIBE", "timestamp": now}
            return self.set_marketing(id, {"list_suppressions": [*marketing["list_suppressions"], row]})
        for members in self.members.values():
            members.pop(id, None)
        changed = {"consent": UNSUBSCRIBED, "consent_timestamp": now, "last_updated": now}
        self.set_marketing(id, changed)
        return self.suppress(id, "UNSUBSCRIBE")

    def suppress(self, id: str, reason: str) -> Record:
        """Suppress somebody."""
        known = [one for one in self.profiles[id]["marketing"]["suppression"] if one["reason"] != reason]
        return self.set_marketing(
            id, {"suppression": [*known, {"reason": reason, "timestamp": stamp(self.clock.now())}]}
        )

    def withdraw(self, email: str, list_id: str | None, seq: int) -> None:
        """Do to one person what a job of unsubscriptions asks: who is not on the list is unsubscribed everywhere."""
        profile = self.by_email(email) or self._create(email, seq)
        on = list_id if list_id and profile["id"] in self.members.get(list_id, {}) else None
        self.unsubscribe(profile["id"], on)
        self.note("unsubscribed", seq, email=text_of(email), list=list_id, everywhere=on is None)

    # What people and the system itself do.

    def delete(self, id: str, for_good: bool) -> None:
        """Delete a profile; for good keeps its address among the deleted ones."""
        email = text_of(self.profiles.pop(id)["attributes"]["email"])
        if for_good:
            self.deleted.add(email)
        for members in self.members.values():
            members.pop(id, None)
        self.changed()

    def merge(self, winner: str, loser: str) -> Record:
        """Merge a profile into another one: it is gone, and its address finds the other one."""
        gone, kept = self.profiles.pop(loser), self.profiles[winner]
        missing = {k: v for k, v in gone["attributes"].items() if v and not kept["attributes"].get(k)}
        self.profiles[winner] = {**kept, "attributes": {**kept["attributes"], **missing}}
        self.merged[loser] = winner
        self.merged_addresses[text_of(gone["attributes"]["email"])] = winner
        for members in self.members.values():
            if loser in members:
                members.setdefault(winner, members.pop(loser))
        self.changed()
        return self.profiles[winner]


def _patched(properties: Record, meta: Record) -> Record:
    kept = {name: value for name, value in properties.items() if value is not None}
    for name in [meta["unset"]] if isinstance(meta.get("unset"), str) else meta.get("unset") or []:
        kept.pop(name, None)
    for name, value in (meta.get("append") or {}).items():
        old = kept.get(name)
        kept[name] = [*(old if isinstance(old, list) else [old] if old is not None else []), value]
    for name, value in (meta.get("unappend") or {}).items():
        if isinstance(kept.get(name), list):
            kept[name] = [one for one in kept[name] if one != value]
    return kept
