"""Says what each code and each note means to somebody who packs wine, and what to do about it.

Data flow: codes (orders.md 4.1, 4.2), notes (8) -> `vs-st orders show`, alerts, checks, pages, docs/orders.md.

It is long because there are many of them, and each is told in whole sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Advice:
    """What a word means, and what a person does about it; `do` is `""` where nothing has to be done."""

    means: str
    do: str = ""


_SEND = "`vs-st orders send`"

OF_CODE: Final[dict[str, Advice]] = {
    # --- not required -------------------------------------------------------------------------------------------------
    "before_start": Advice(
        "It was paid before the day from which orders are sent (`start`).",
        "Nothing. It is never sent by this route; ship it as it was shipped before.",
    ),
    "dont_send": Advice(
        "A person said not to send it.", f"Nothing. If it is to go after all, {_SEND} lifts that."
    ),
    "exchange": Advice(
        "It is an exchange. Bottles that go out by it are not shipped through Vinoshipper.",
        "If the customer is to get other bottles, place a new order for them at Commerce7.",
    ),
    "refund": Advice("It is a refund: nothing is to be shipped."),
    "carry_out": Advice("The customer carried it out."),
    "pickup": Advice("The customer picks it up."),
    "country": Advice("It goes to a country that Vinoshipper does not ship to."),
    "state_not_chosen": Advice(
        "It goes to a state that the settings do not list (`states`).",
        "Ship it as you ship to that state. If Vinoshipper is to ship there, add the state to `states`; that counts "
        f"for new orders, and {_SEND} takes this one along.",
    ),
    "cancelled": Advice("Its payment was cancelled at Commerce7."),
    "fulfilled_already": Advice("It is fulfilled at Commerce7 already: somebody shipped it."),
    "nothing_to_ship": Advice("No line of it is shipped (tickets, gift cards, pickups)."),
    "refunded": Advice("All of it was refunded before it was sent."),
    # --- failed by a rule ---------------------------------------------------------------------------------------------
    "unknown_value": Advice(
        "Commerce7 says something of it that its documentation does not list, so it is not known what is wanted.",
        "Tell whoever runs this pipeline. Ship it by hand if it is urgent.",
    ),
    "no_destination": Advice(
        "It has no ship-to address, no country, or a state that is none.",
        "Put the ship-to address right at Commerce7; the next sync sends it.",
    ),
    "partly_refunded": Advice(
        "Part of it was refunded or exchanged before it was sent, so what is to be shipped is not certain.",
        "Refund the rest at Commerce7 and place a new order for what is to be shipped.",
    ),
    "quarantined": Advice(
        "Commerce7's compliance holds it (Quarantined or Void).",
        "Release it at Commerce7, or cancel it there.",
    ),
    "partly_fulfilled": Advice(
        "Part of it is fulfilled at Commerce7 already, so sending all of it would ship that part twice.",
        "Ship the rest by hand, or refund it and place a new order for it.",
    ),
    "late": Advice(
        "It was paid longer ago than `not_later_than`, so the customer may have been helped in another way by now.",
        f"If it is still to be shipped: {_SEND} with `--accept late`. If not: `vs-st orders dont-send`.",
    ),
    "carrier_pickup": Advice(
        "It is to be collected at a carrier's counter, which Vinoshipper is not told.",
        f"Put a street address in its place at Commerce7, or {_SEND} with `--accept carrier_pickup` if the address of "
        "the counter will do.",
    ),
    "address": Advice(
        "Its street or city is missing, or its ZIP does not have five or nine digits.",
        "Put the ship-to address right at Commerce7; the next sync sends it.",
    ),
    "zip_state": Advice(
        "Its ZIP belongs to another state than the address says, so it could reach a state that was not chosen.",
        f"Put the address right at Commerce7. If it is right as it stands: {_SEND} with `--accept zip_state`.",
    ),
    "under_age": Advice(
        "By the birth date at Commerce7 the buyer, or whoever gets it, is not 21 yet.",
        "Nobody can let this pass. If the birth date is wrong, put it right at Commerce7; else refund the order.",
    ),
    "no_email": Advice(
        "The customer has no e-mail address, which Vinoshipper requires.", "Add one at Commerce7."
    ),
    "no_name": Advice("No last name is given anywhere.", "Add the name at Commerce7."),
    "no_sku": Advice("A line has no SKU.", "Give the product a SKU at Commerce7, the same as at Vinoshipper."),
    "bad_quantity": Advice(
        "A quantity is no whole number of bottles.", "Put the order right at Commerce7, or place a new one."
    ),
    "bad_money": Advice(
        "An amount is no whole number of cents, or below zero.",
        "Refund the order at Commerce7 and place a new one; tell whoever runs this pipeline.",
    ),
    "sum_mismatch": Advice(
        "Its lines do not add up to its subtotal, so what was charged for the wine is not certain.",
        "Refund the order at Commerce7 and place a new one; tell whoever runs this pipeline.",
    ),
    "bundle_unclear": Advice(
        "The bottles of a bundle do not add up to its price.",
        "Put the bundle's prices right at Commerce7 and place a new order, or ship it by hand.",
    ),
    "unknown_rate": Advice(
        "Its way of shipping stands in no row of the table of rates, and none is guessed.",
        "Add the row to `rates` (`vs-st check` names it); the next sync sends the order.",
    ),
    "several_rates": Advice(
        "It was sold with several ways of shipping that differ.",
        "Refund the order at Commerce7 and place one for each way.",
    ),
    "unknown_sku": Advice(
        "Vinoshipper does not sell a wine of it, or under another SKU (capital letters count).",
        "Add the wine at Vinoshipper, or give both the same SKU (`vs-st orders products` compares them). The catalogue "
        "is read again within the hour, and the order goes then.",
    ),
    # --- waiting ------------------------------------------------------------------------------------------------------
    "not_paid": Advice("It is authorized, and not paid yet.", "Capture the payment at Commerce7; it goes then."),
    "shadow": Advice("It would be sent, but `mode` is `shadow`: nothing is written yet."),
    "queued": Advice("More orders are due than a sync sends (`send_at_most`). It goes with one of the next syncs."),
    "try_later": Advice(
        "Vinoshipper gave no usable answer about it yet. It is tried again by itself; nothing was sent."
    ),
    "auth": Advice(
        "Vinoshipper did not accept the key, so nothing could be sent.",
        "Renew the key; the orders go with the next sync.",
    ),
    # --- by Vinoshipper -----------------------------------------------------------------------------------------------
    "compliance": Advice(
        "Vinoshipper may not ship it by law; what it said stands under the problems.",
        "Put right what it names (address, quantity, product) at Commerce7 or Vinoshipper. A changed order is sent "
        f"again by itself; otherwise {_SEND}. If it cannot be put right, refund it at Commerce7.",
    ),
    "age_verification": Advice(
        "Vinoshipper could not make sure of the customer's age.",
        "The customer verifies it with Vinoshipper, or you approve it there; the order goes by itself then.",
    ),
    "payment": Advice(
        "Vinoshipper takes it for not paid.", f"Look at the order there, tell its support, then {_SEND}."
    ),
    "problem": Advice(
        "Vinoshipper has a problem with it; what it said stands under the problems.",
        f"Put right what it names, then {_SEND}.",
    ),
    "validation": Advice(
        "Vinoshipper does not understand the order as it was sent; what it said stands under the problems.",
        f"Put right what it names at Commerce7. If nothing is wrong there, tell whoever runs this pipeline. Then {_SEND}.",
    ),
    "pending_there": Advice(
        "Vinoshipper has it and does not say that it accepts it. It is looked at every hour and becomes sent by itself.",
        "Look at the order there. Do not enter it a second time.",
    ),
    "not_reachable": Advice(
        "For a day it could not be seen whether Vinoshipper has it. It is looked for in every sync.",
        "Look for the number there before anything else. Do not enter it a second time.",
    ),
    "number_taken": Advice(
        "Vinoshipper holds somebody else's order under its number. Ours was not sent.",
        "Look at that number there. Ship this order by hand, and see whether `number_prefix` is used by something else.",
    ),
    "forgotten": Advice(
        "Its person was forgotten before it was sent, so there is nothing to send it with.",
        "Nothing here. If it is still to be shipped, enter it at Vinoshipper by hand.",
    ),
}

OF_NOTE: Final[dict[str, Advice]] = {
    "adopted": Advice("Vinoshipper had it already; it was not sent again."),
    "found_late": Advice(
        "Commerce7 showed it later than orders are usually shown.", "Nothing; it was found all the same."
    ),
    "gap": Advice(
        "A number between two orders was never shown by Commerce7.",
        "Look for the number at Commerce7. If it is there and is to be shipped: `vs-st orders send` with it.",
    ),
    "unreadable": Advice(
        "Commerce7's answer about it could not be read; what was known stands. It is tried again by itself."
    ),
    "failed_before": Advice("It failed in an earlier sync and still stands so.", "See its code."),
    "pending": Advice("Vinoshipper has it and has not accepted it yet. It is looked at in every sync."),
    "no_birth_date": Advice("It went without a birth date: none is known, or none that can be."),
    "no_phone": Advice("It went without a phone: none with ten digits is known. The carrier cannot call."),
    "ship_date_past": Advice("The day on which it was to ship was over when it was sent, so it went without one."),
    "zip_state": Advice("Its ZIP belongs to another state than the address says; the settings let it go."),
    "tax_short": Advice(
        "Less tax was charged than is due; Vinoshipper bills the difference to the winery.",
        "See the taxes of this state at Commerce7.",
    ),
    "mail_too_late": Advice(
        "It was shipped over five days before that was seen, so the customer was not mailed its tracking number."
    ),
    "unknown_status": Advice(
        "Vinoshipper says something of the parcel that is not known here; it is kept, and changes nothing.",
        "Tell whoever runs this pipeline.",
    ),
    "found_there": Advice("Commerce7 had this fulfillment already; it was not written again."),
    "fulfilled_by_other": Advice("Somebody else fulfilled it at Commerce7, so it was not written."),
    "removed_there": Advice(
        "Somebody took the fulfillment back at Commerce7. It is not written again.",
        "Fulfill it there by hand, if it is to stand.",
    ),
    "fulfil_refused": Advice(
        "Commerce7 does not take the fulfillment. It is tried again with growing gaps.",
        "Fulfill it there by hand with the tracking numbers above.",
    ),
    "refunded_after_shipped": Advice("It was refunded after it was shipped."),
    "stuck": Advice(
        "It has been on its way for 90 days.", "Ask the carrier by its tracking number."
    ),
    "no_messages": Advice(
        "The app may not leave messages on orders at Commerce7. All else goes on.",
        "Give the app the right to app-syncs at Commerce7, or set `messages: off`.",
    ),
    "void_unknown": Advice(
        "Its voiding was asked for, and Vinoshipper does not show it yet. It is looked at in every sync.",
        "Nothing, unless it stays: then look at the order at Vinoshipper.",
    ),
    # --- alerted ------------------------------------------------------------------------------------------------------
    "changed_after_sent": Advice(
        "It was edited at Commerce7 after it was sent. Vinoshipper ships what was sent.",
        "Tell Vinoshipper of the change, or void it here (`vs-st orders void`) and place a new order.",
    ),
    "refunded_after_sent": Advice(
        "It was refunded or cancelled at Commerce7 and is still to be shipped.",
        "`vs-st orders void` with a reason, before it leaves. Of a part: tell Vinoshipper.",
    ),
    "differs_there": Advice(
        "What Vinoshipper holds is not what was sent; both are named.",
        "Compare the order at Vinoshipper, and put it right there or void it here.",
    ),
    "problem_there": Advice(
        "Vinoshipper took the order and has a problem with it now.", "Look at the order at Vinoshipper."
    ),
    "unpaid_there": Advice(
        "Vinoshipper takes the order for not paid, though it was told that it is.",
        "Look at one there, and set `paid_key` as Vinoshipper's support says.",
    ),
    "missing_there": Advice(
        "Vinoshipper does not show the order any more. It is not made again.",
        "Ask Vinoshipper what became of it before anything is shipped.",
    ),
    "revived_there": Advice(
        "It was voided, and Vinoshipper shows it as alive again.", "Look at the order there, before it ships."
    ),
    "accepted_there": Advice(
        "It is not to be sent, and Vinoshipper accepted it.", "Cancel it there, or it ships."
    ),
    "gone_at_commerce7": Advice(
        "Commerce7 does not have the order any more, and Vinoshipper still ships it.",
        "Void it, if it is not to be shipped.",
    ),
    "tracking_changed": Advice(
        "Its tracking numbers changed after they were written. Commerce7 offers no way to change them.",
        "Change them at Commerce7 by hand, if the customer asks.",
    ),
    "key_refused": Advice(
        "Vinoshipper does not know a part of what is sent; orders go without it from now on.",
        "Tell whoever runs this pipeline which one it is.",
    ),
}
