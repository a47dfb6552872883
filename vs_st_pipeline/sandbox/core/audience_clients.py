"""Calls the control API of the stand-ins of WayMore and of the generic shop."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl


class WaymoreControl(AccountControl):
    """Control of WayMore's stand-in."""

    def known(self, merchant: str | None = None) -> Record:
        """Return what an account knows: `registered`, `records` by kind with their `copies`, `subscribers`."""
        found: Record = self.report("known", merchant or self.first_merchant)
        return found

    def record(self, kind: str, id: str, merchant: str | None = None) -> Any:
        """Return one record as it is kept: customers, subscribers (by address), products, wishlist, orders, carts."""
        return self.one(kind, id, merchant)["data"]

    def ids(self, kind: str, merchant: str | None = None) -> list[str]:
        """Return the ids of all records of a kind, in the order in which they came."""
        return [one["id"] for one in self.all(kind, merchant)]

    def messages(self, merchant: str | None = None) -> list[Record]:
        """Return what automations would have sent: {merchant, what: welcome|thanks|reminder, id, to, by, seq, at}."""
        found: list[Record] = self.report("messages", merchant)
        return found

    def violations(self, merchant: str | None = None) -> list[Record]:
        """Return what no client may do: {what, merchant, seq, ...}, oldest first."""
        found: list[Record] = self.report("violations", merchant)
        return found

    def tell(
        self,
        merchant: str | None = None,
        *,
        consent: Collection[str] = (),
        withdrawn: Collection[str] = (),
        consents: Collection[str] | None = None,
        history: Mapping[str, Collection[str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        silent: bool | None = None,
    ) -> Record:
        """Tell what the shop knows, by which its client is judged.

        Args:
            consent, withdrawn: addresses that may be told as subscribed from now on, and that may not any more.
            consents: all addresses that may.
            history: ids by block that were there before all and that nobody holds: no event may tell them first.
            aliases: other names of orders, with their ids.
            silent: what is there counts as told (`history: skip`), so that news of what was never told is no fault.
        """
        more = {"consents": consents, "history": history, "aliases": aliases, "silent": silent}
        said: Record = {name: value for name, value in more.items() if value is not None}
        if consents is not None:
            said["consents"] = list(consents)
        if history is not None:
            said["history"] = {block: list(ids) for block, ids in history.items()}
        found: Record = self.act("shop", merchant, consent=list(consent), withdrawn=list(withdrawn), **said)
        return found

    def give_out(self, merchant: str | None = None) -> str:
        """Return a uuid that Routee gives out without authentication."""
        return str(self.act("give_out", merchant)["uuid"])

    def calls(self, merchant: str | None = None, since: int = 0) -> list[Record]:
        """Return the mass and event calls of the journal, oldest first: {seq, what, key, data, status, fault,
        refused}.

        `what` is a block's name in small letters, or an event; `data` the list of items, or the event's data.
        """
        return [call for entry in self.journal(merchant, since) if (call := _call(entry)) is not None]

    def events(self, merchant: str | None = None, *kinds: str) -> list[Record]:
        """Return the events of the journal that were answered by 2xx, of some kinds or of all."""
        sent = [one for one in self.calls(merchant) if "event" in one and 200 <= (one["status"] or 0) < 300]
        return [one for one in sent if not kinds or one["what"] in kinds]


def _call(entry: Record) -> Record | None:
    body = entry["body"] if isinstance(entry["body"], dict) else {}
    told = {name: entry[name] for name in ("seq", "key", "status", "fault", "merchant")}
    told["refused"] = entry.get("refused", False)
    if entry["path"].endswith("/api/event"):
        return {**told, "what": body.get("event"), "event": body.get("event"), "data": body.get("data")}
    if entry["path"].endswith("/api/data"):
        blocks = body.get("data") or [{}]
        return {**told, "what": str(blocks[0].get("name")).lower(), "data": blocks[0].get("object")}
    return None


class ShopControl(AccountControl):
    """Control of the generic shop's stand-in; a record's id is its key, the parts of a longer one joined by a slash."""

    def begin_drops(self, folder: str, merchant: str | None = None) -> None:
        """Tell into which folder the shop drops; it outlives a reset."""
        self.act("drops", merchant, folder=folder)

    def drop(self, merchant: str | None = None, **how: Any) -> Record:
        """Write a drop: {name, folder, tables: {name: rows}}.

        Args:
            how: `complete` (true), `tables` (all, or those that changed), `rows` by table in the place of the shop's
                own, `name`, `taken_at`, `folder`. One that is not complete has what changed since the last drop.
        """
        found: Record = self.act("drop", merchant, **how)
        return found

    def begin_posts(self, url: str, merchant: str | None = None, **signature: Any) -> None:
        """Tell where posts go, and how they are signed: `secret`, `header`, `timestamp_header`, `prefix`, `encoding`.

        It outlives a reset.
        """
        self.act("hook", merchant, url=url, **signature)

    def post(self, *posts: Record, merchant: str | None = None, **how: Any) -> list[Record]:
        """Send posts: {status, answer} of each call. `apart`: each by itself; else several go as one array."""
        found: list[Record] = self.act("post", merchant, posts=list(posts), **how)
        return found
