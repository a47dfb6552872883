"""Says whether an account and the settings are ready to send: keys, proven numbers, what would keep all waiting."""

from __future__ import annotations

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.gupshup.codes import NOT_TOGETHER
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.routes.notices import consent, from_eshopbox
from vs_st_pipeline.routes.notices.account import pauses, taking
from vs_st_pipeline.routes.notices.consent import may_count
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.values import begin_of
from vs_st_pipeline.routes.notices.words import ConsentSource, Wait


def try_key(session: NoticesSession, account: GupshupAccount) -> None:
    """Ask for the template list and the wallet; raises what is wrong, as the client does (9)."""
    client = session.sender(account)
    client.templates()
    client.wallet()


def is_proven(session: NoticesSession, account: GupshupAccount) -> bool:
    """Say whether a receipt has come for the app and number of the settings: no call at Gupshup proves them (13.6)."""
    store = session.store(account)
    if not store.path.exists():
        return False
    with store.read() as db:
        fact = db.execute("select value from facts where name = ?", [taking.PROVEN]).fetchone()
        if fact is not None:
            return str(fact["value"]) == taking.as_proven(account)
        return db.execute(
            "select 1 from receipts where coalesce(code, '') <> ? limit 1", [NOT_TOGETHER]
        ).fetchone() is not None  # fmt: skip


def not_verified(account: GupshupAccount) -> str:
    """Say what of an account no call can verify that sends nothing, and how a person verifies it."""
    return (
        f"of account {account.id} key and app_id were tried; app_name {account.app_name} and number {account.number} "
        "are not verified, since no call that Gupshup documents tells whether they are right. Compare both with the "
        "app's page at Gupshup, and let the first message go to a phone of your own (notices.only_to): its receipt "
        "proves them, and until then the number is not proven"
    )


def stopped(session: NoticesSession, account: GupshupAccount, *, key_is_good: bool = False) -> str | None:
    """Say why an account is stopped, and what lets it go on; None: it is not.

    Args:
        key_is_good: Gupshup has just taken its key.
    """
    found = pauses.state(session.store(account), session.run.now())
    if found is None or found.reason != Wait.ACCOUNT_STOPPED:
        return None
    if found.kind == BadKey.kind and key_is_good:
        return "Gupshup did not take its key before; the key is good now, so it goes on by itself with the next sync"
    goes_on = (
        "once the key is good, it goes on by itself with the next sync"
        if found.kind == BadKey.kind
        else f"put that right, then run `vs-st notices resume --account {account.id}`"
    )
    return f"{found.why}; {goes_on}"


def opt_ins(session: NoticesSession) -> dict[str, int]:
    """Return how often each kind of evidence was seen that the account may go by: of orders, or of phones (5.9)."""
    account, settings = session.gupshup.selected, session.settings
    if account is None:
        return {}
    kinds = [one for one in (*settings.opt_in, ConsentSource.OPERATOR) if may_count(one, account.kind)]
    found = {str(one): 0 for one in kinds}
    if not session.run.file().exists():
        return found
    said, zone = settings.attestation, session.run.merchant.time_zone
    with session.run.open() as db:
        seen = dict(
            db.rows(
                "select source, count(distinct phone) from staged.consents where state = ? and account = ? group by 1",
                [consent.IN, account.id],
            )
        )
        seen[ConsentSource.ESHOPBOX_FLAG] = db.value("select count(*) from staged.notice_orders where whatsapp_flag")
        if said is not None:
            since = begin_of(said.since, zone)
            placed = "select count(*) from staged.notice_orders where placed_at >= ?"
            seen[ConsentSource.ATTESTATION] = db.value(placed, [since])
    return {kind: int(seen.get(kind, 0)) for kind in found}


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
