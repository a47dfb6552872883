"""Makes what happens at SoPost, and to people, between the acts of the demo of route `consumers`."""

from __future__ import annotations

import random
import time

from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS

BRAND, FIRST, NEW = "glow-skin", "plain@example.com", "newcomer@example.com"
DAY = 86_400.0


def life(box: Sandbox, chance: random.Random) -> None:
    """Let somebody new order, with or without a consent, and SoPost tell of it."""
    id, consent, handler = ACCOUNTS[BRAND].consents["news"]
    given = {"consent_id": id, "consent_name": consent, "data_handler": handler, "status": "APPROVED"}
    name = f"person{chance.randint(1000, 9999)}"
    consents = [given] if chance.random() < 0.7 else []
    box.sopost.control.create(BRAND, email=f"{name}@example.com", full_name=f"Pat {name.title()}", consents=consents)
    box.sopost.control.send(merchant=BRAND)


def send(box: Sandbox, seconds: float = 30.0) -> list[str]:
    """Let SoPost tell what nobody was told of, and wait until it was taken."""
    shop, began = box.sopost.control, time.monotonic()
    count = shop.send(merchant=BRAND)
    while time.monotonic() - began < seconds:
        done = [one for one in shop.deliveries() if one["merchant"] == BRAND]
        if len(done) >= count and all(one.get("status") for one in done):
            break
        time.sleep(0.02)
    return [f"SoPost calls for {count} events."]


def later(box: Sandbox) -> list[str]:
    """Let a day pass at all stand-ins."""
    for handle in box.running.values():
        handle.control.move_clock(DAY)
    return []


def people(box: Sandbox) -> list[str]:
    """Let somebody opt out and order again all the same, and somebody new order with the consent."""
    shop, names = box.sopost.control, ACCOUNTS[BRAND]
    id, consent, handler = names.consents["news"]
    given = [{"consent_id": id, "consent_name": consent, "data_handler": handler, "status": "APPROVED"}]
    box.hubspot.control.unsubscribe(FIRST, BRAND)
    shop.create(BRAND, email=FIRST, full_name="Marisol Vantongeren", consents=given)
    shop.create(BRAND, email=NEW, full_name="Nora Newcomer", consents=given)
    return [
        "Marisol V. unsubscribes by a link in a mail from HubSpot, and orders again.",
        "Nora N. orders, and ticks the news.",
    ]
