"""Says whether an account and the settings are ready to send: keys, proven numbers, what would keep all waiting."""

from __future__ import annotations

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.routes.notices import from_eshopbox
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.words import Wait


def try_key(session: NoticesSession, account: GupshupAccount) -> None:
    """Ask for the template list and the wallet; raises what is wrong, as the client does (9)."""
    client = session.sender(account)
    client.templates()
    client.wallet()


def is_proven(session: NoticesSession, account: GupshupAccount) -> bool:
    """Say whether a callback has ever come: no call at Gupshup proves that the number is the account's (13.6)."""
    store = session.store(account)
    if not store.path.exists():
        return False
    with store.read() as db:
        return db.execute("select 1 from receipts limit 1").fetchone() is not None


def stopped(session: NoticesSession, account: GupshupAccount) -> str | None:
    """Say why an account is stopped, and what lets it go on; None: it is not."""
    found = pauses.state(session.store(account), session.run.now())
    if found is None or found.reason != Wait.ACCOUNT_STOPPED:
        return None
    goes_on = (
        "it goes on by itself at the first good list of templates"
        if found.kind == BadKey.kind
        else f"put that right, then run `vs-st notices resume --account {account.id}`"
    )
    return f"{found.why}; {goes_on}"


def doubts(session: NoticesSession) -> list[str]:
    """Say what would keep messages waiting, or what the settings cannot do, a sentence each."""
    found, merchant = list[str](), session.run.merchant
    selected, settings = session.gupshup.selected, session.settings
    on = [name for name, one in settings.notifications.items() if one.enabled]
    if not on:
        found.append("no notification is enabled, so nothing is announced (notices.notifications)")
    if selected is not None and selected.kind == "house" and settings.charges_confirmed is None:
        found.append("messages by the house's account are billed and wait until charges_confirmed says who agreed")
    if ESHOPBOX in merchant.sections and merchant.has(EshopboxSettings):
        basis = merchant.section(EshopboxSettings).status_basis
        proof = merchant.webhooks.of(ESHOPBOX).header
        if basis == "auto" and proof is None:
            found.append(
                "a hook's word does not count, as if status_basis were read: set webhooks.eshopbox.header and "
                "header_value, so that a hook proves whose it is"
            )
        if session.run.file().exists():
            found += from_eshopbox.doubts(session.run)
    return found
