"""Says each code and each note in one plain sentence for whoever ships: what it is, and what to do.

A sentence names SKUs, carriers, states and words of the shop; never a person, a street or a birth date. `{...}` is what
the code `says`; a sentence reads well where that is missing, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LATER: Final = "It is sent by itself once that is mended at Commerce7."
_CODES: Final[dict[str, str]] = {
    # not_required
    "before_start": "It was paid before the start date of this connection, so it is not sent.",
    "dont_send": "Somebody said not to send it; `orders send` sends it after all.",
    "exchange": "It is an exchange, which is not sent; if goods must ship, place a new order.",
    "refund": "It is a refund, which is not sent.",
    "carry_out": "The customer carried it out, so there is nothing to send.",
    "pickup": "The customer picks it up, so there is nothing to send.",
    "country": "It goes to another country{country: (*)}; Vinoshipper ships within the United States only.",
    "state_not_chosen": "It goes to a state{state: (*)} that was not among those chosen when it was judged; ship it "
    "another way. If it is chosen by now, `orders send` sends it.",
    "cancelled": "Its payment was cancelled, so it is not sent.",
    "fulfilled_already": "It is fulfilled at Commerce7 already, or needs no fulfillment, so it is not sent.",
    "nothing_to_ship": "None of its items ship.",
    "refunded": "It was refunded in full, so it is not sent.",
    # failed by a rule
    "unknown_value": "Commerce7 says something that is not known{key: as *}{value:: *}; check the order, "
    "and ship it by hand if it is to go.",
    "no_destination": "Its ship-to {lacks:*|address} is missing or is none; put the address right at Commerce7. "
    + _LATER,
    "partly_refunded": "Part of it was refunded or exchanged; refund the rest, and place a new order for what must go.",
    "quarantined": "Commerce7's compliance holds it; release it there. " + _LATER,
    "partly_fulfilled": "Part of it is fulfilled at Commerce7 already; ship the rest by hand.",
    "late": "It was paid long ago{days: (* days)}; if it must still go, `orders send --accept late` sends it.",
    "carrier_pickup": "The customer wants to collect it at a carrier's location, which cannot be passed on; ask for "
    "a street address, or `orders send --accept carrier_pickup` ships it to the address on the order.",
    "address": "Its ship-to address lacks a good {lacks:*|street, city or ZIP}; put it right at Commerce7. " + _LATER,
    "zip_state": "Its ZIP{zip: (*...)} belongs to {states:*|another state}, not to {state:*|the state that it names}; "
    "put the address right at Commerce7, or `orders send --accept zip_state` sends it as it is.",
    "under_age": "By the birth date on the order, buyer or recipient is under 21; do not ship it. "
    "If the date is wrong, put it right at Commerce7.",
    "no_email": "The customer has no e-mail address, which Vinoshipper needs; add one at Commerce7. " + _LATER,
    "no_name": "The customer has no last name, which Vinoshipper needs; add one at Commerce7. " + _LATER,
    "no_sku": "An item that ships has no SKU; give its product one at Commerce7, and place the order anew or ship it "
    "by hand.",
    "bad_quantity": "The quantity of an item{skus: (*)} is no whole number; ship the order by hand.",
    "bad_money": "An amount{amounts: (*)} is not in whole cents, or below zero; ship the order by hand.",
    "sum_mismatch": "Its items do not add up to its subtotal; check discounts and items that do not ship, "
    "and ship it by hand.",
    "bundle_unclear": "The items of a bundle{skus: (*)} do not add up to its price, so they cannot be sent; "
    "ship it by hand, or set `bundles: as_sku`.",
    "unknown_rate": "Its way of shipping{carrier:, carrier *}{code:, code *} is not in the table of rates{code:|, or "
    "Commerce7 names none}; add it to `rates` in the settings{code:|, or ship it by hand}.",
    "several_rates": "It has several ways of shipping{rates: (*)}; ship it by hand.",
    "unknown_sku": "Vinoshipper does not have {skus:*|one of its SKUs}; add the product there under the same SKU, or "
    "write its SKU there in the same case. The order is sent by itself then.",
    # waiting
    "not_paid": "Its payment is authorized, not captured; it is sent once it is paid.",
    "shadow": "The connection runs in shadow mode, so nothing is sent; it would be.",
    "queued": "It waits for its turn; the next sync sends it.",
    "try_later": "It could not be checked just now; the next sync tries again.",
    "auth": "The key was refused; put the keys right, and it is sent by itself.",
    # failed by Vinoshipper
    "compliance": "Vinoshipper may not ship it by law; see the problems it names, and correct the order or refund it.",
    "age_verification": "Vinoshipper could not verify the customer's age; once the customer passes its ID check, the "
    "order is sent again by itself.",
    "payment": "Vinoshipper could not take the payment; see the problems it names.",
    "problem": "Vinoshipper has a problem with it; see the problems it names, correct the order, and send it again.",
    "validation": "Vinoshipper refused the order as it was written; see the problems it names, and correct it.",
    "pending_there": "Vinoshipper has not decided on it for an hour; look at it there.",
    "not_reachable": "Vinoshipper has not answered for a day, so nobody knows yet whether it took the order; do not "
    "ship it by hand before you have looked there.",
    "number_taken": "Another order has its number at Vinoshipper; look there, and ship this one by hand if it is not "
    "the same.",
    "forgotten": "Its customer asked to be forgotten before it was sent; place a new order if it must ship.",
}
_NOTES: Final[dict[str, str]] = {
    "adopted": "It was at Vinoshipper already, and is followed from there.",
    "found_late": "It was found only by the daily comparison.",
    "gap": "An order number is missing between others, and Commerce7 does not show it.",
    "unreadable": "What Commerce7 says of it cannot be read.",
    "failed_before": "It failed in an earlier sync and still stands.",
    "pending": "Vinoshipper has taken it and has not decided yet.",
    "no_birth_date": "No birth date is known, so Vinoshipper verifies the age by itself.",
    "no_phone": "No phone is known for the carrier.",
    "ship_date_past": "The requested ship date is over or no date, so it was left out.",
    "zip_state": "Its ZIP belongs to another state than the one it names.",
    "tax_short": "Vinoshipper reckons more tax than was charged, and bills the difference.",
    "mail_too_late": "It shipped over five days ago, so the customer is not mailed.",
    "unknown_status": "Vinoshipper shows a status that is not known.",
    "found_there": "It was fulfilled at Commerce7 with the same parcel already.",
    "fulfilled_by_other": "Somebody else fulfilled it at Commerce7.",
    "removed_there": "Its fulfillment was removed at Commerce7 and is not written again.",
    "fulfil_refused": "Commerce7 refuses its fulfillment; it is tried again.",
    "refunded_after_shipped": "It was refunded after it had shipped.",
    "stuck": "It shipped 90 days ago and was never delivered; ask the carrier.",
    "no_messages": "Commerce7 does not let this app leave messages on orders.",
    "void_unknown": "It is not known yet whether Vinoshipper cancelled it; look there.",
    "changed_after_sent": "It was changed at Commerce7 after it was sent; Vinoshipper still has it as it was. Void it "
    "and place a new order, or change it there by hand.",
    "refunded_after_sent": "It was refunded or cancelled at Commerce7 after it was sent, and has not shipped; void it.",
    "differs_there": "Vinoshipper has it differently than it was sent; compare both.",
    "problem_there": "Vinoshipper took it and now has a problem with it; look there.",
    "unpaid_there": "Vinoshipper took it as not paid; set `paid_key`, and ask Vinoshipper to mark it paid.",
    "missing_there": "Vinoshipper does not show it any more; ask there. It is not sent again.",
    "revived_there": "It was voided, and Vinoshipper shows it as alive again; look there.",
    "accepted_there": "It was not to be sent, and Vinoshipper accepted it; cancel it there if it must not go.",
    "gone_at_commerce7": "It was sent, and Commerce7 does not have it any more; check whether it must still ship.",
    "tracking_changed": "Its tracking numbers changed after the customer was told; tell the customer.",
    "key_refused": "Vinoshipper does not know a part of the orders as they are written; it is left out from now on.",
}
CODES: Final = frozenset(_CODES)
NOTES: Final = frozenset(_NOTES)


def sentence(code: str, says: Mapping[str, Any] | None = None) -> str:
    """Return the sentence of a code of an order.

    Args:
        says: what it names, as a verdict or the ledger has it.
    """
    return _filled(_CODES.get(code, "It needs a person; look at the order."), says or {})


def note_sentence(note: str) -> str:
    """Return the sentence of a note; of a code of the same word see `sentence`."""
    return _NOTES.get(note, "Something is noted of it; look at the order.")


def _filled(text: str, says: Mapping[str, Any]) -> str:
    """Fill in `{name:what stands there with * for the value|what stands there without one}`."""
    out, rest = "", text
    while "{" in rest:
        before, _, rest = rest.partition("{")
        inside, _, rest = rest.partition("}")
        name, _, form = inside.partition(":")
        given, _, without = form.partition("|")
        value = _told(says.get(name))
        out += before + (given.replace("*", value) if value else without)
    return out + rest


def _told(value: Any) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)


WORDS: Final = {
    "held": {code: sentence(code) for code in _CODES},
    "noted": {note: note_sentence(note) for note in _NOTES},
}
"""Every code and note with its sentence, where nothing is known of an order that it names."""
