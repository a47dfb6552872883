"""Shows the control API what the accounts keep: templates, users, messages, and what waits to be told."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.accounts import AccountStandIn
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.gupshup.account import Account, digits
from vs_st_pipeline.sandbox.gupshup.template import Template
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant

UNDER_WAY = ("waiting", "sending")


class Books(AccountStandIn):
    """The part of the stand-in that keeps the accounts and shows them."""

    kinds = ("templates", "users", "messages")

    def open_books(self) -> None:
        """Open the accounts as the world has them."""
        self.accounts = {m.id: Account(self.part(m), self.clock) for m in self.merchants.values()}

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        accounts = [self.accounts[merchant.id] for merchant in merchants]
        if name == "sends":
            return sorted((sent.shown() for one in accounts for sent in one.sent), key=lambda shown: shown["seq"])
        if name == "under_way":
            for one in accounts:
                one.calling = [call for call in one.calling if call.state in UNDER_WAY]
            return sum(len(one.calling) for one in accounts)
        if name == "waiting":
            return [
                {"account": one.id, "about": told.what, "body": told.body} for one in accounts for told in one.waiting
            ]
        raise NoSuchRecord(name)

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        account = self.accounts[merchant.id]
        if kind == "users":
            return [{"phone": phone, "status": status} for phone, status in account.users.items()]
        if kind == "messages":
            return [sent.shown() for sent in account.sent if sent.accepted]
        return [{**one.fields, "id": one.id} for one in account.templates.values()]

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        key = {"users": "phone", "messages": "message_id"}.get(kind, "id")
        wanted = digits(id) if kind == "users" else id
        found = next((one for one in self.records(merchant, kind) if one[key] == wanted), None)
        if found is None:
            raise NoSuchRecord(f"{kind} {id}")
        return found

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        """Add a template, which every client knows of: it is there before anybody asks."""
        if kind != "templates":
            raise NoSuchRecord(f"{kind}: only templates are added; people come by `opt_in`")
        account = self.accounts[merchant.id]
        added = Template(fields, account.app_id, self.clock.now())
        account.templates[added.id] = added
        return self.record(merchant, kind, added.id)

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        if kind != "templates":
            raise NoSuchRecord(f"{kind}: only templates are changed")
        self.acted(merchant, "set_template", {"account": merchant.id, "id": id, **fields})
        return self.record(merchant, kind, id)

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        self.change_record(merchant, kind, id, {"status": "DELETED"}, replace=False, touch=True)
