"""Adds the awkward people of the demo wineries: those of the small scenario and a dozen more."""

from __future__ import annotations

from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.small import add_people


def add_awkward_cast(b: Builder) -> None:
    """Add twenty-four customers and about twenty contacts who each break one easy assumption."""
    add_people(b)
    _ties(b)
    _dates_and_phones(b)
    _shipments(b)


def _ties(b: Builder) -> None:
    # 700113 and 700114 share a phone and never ordered: the earlier membership decides (700114).
    early = b.customer(700113, "Solveig", "Hartmann", "7075550170", "solveig@example.com")
    late = b.customer(700114, "Ragnar", "Hartmann", "7075550170", "ragnar@example.com")
    b.membership(early, "Reserve", "2023-01-01")
    b.membership(late, "Reserve", "2021-06-01")
    b.contact("7075550170", days=50)
    # 700115 and 700116 share a phone and have neither orders nor memberships: the greater id decides.
    b.customer(700115, "Corin", "Blackwood", "7075550171", "corin@example.com")
    b.customer(700116, "Maren", "Blackwood", "7075550171", "maren@example.com")
    b.contact("7075550171", days=51)
    # 700117 and 700118 would get one e-mail, each on a contact of their own: the smaller contact id gets it.
    b.customer(700117, "Edda", "Fenwick", "7075550172", "household@example.com")
    b.customer(700118, "Jorun", "Fenwick", "7075550173", "household@example.com")
    b.contact("7075550172", days=52)
    b.contact("7075550173", days=53)


def _dates_and_phones(b: Builder) -> None:
    # 700119: born on 29 February, of age long ago; joined at a time of day, and once at an unknown one.
    leap = b.customer(700119, "Leopoldine", "Asquith", "7075550174", "leopoldine@example.com", (1996, 2, 29))
    b.membership(leap, "Quarterly Twelve", "2025-05-05T23:30:00-07:00")
    b.membership(leap, "Red Only", None)
    b.contact("7075550174", days=54, first=" ", last="")
    # 700120: an area code that starts with 1, which no real number does; links to nothing.
    b.customer(700120, "Iver", "Lockhart", "1075550175", "iver@example.com")
    # A contact with a British mobile number, which matches nothing here.
    b.contact("447700900123", days=58, source="WEB_FORM")
    # 700121: the number is there but its members are null.
    b.customer(
        700121, "Vesper", "Rainsford", {"number": None, "country": None, "extension": None}, "vesper@example.com"
    )
    # 700122: a name too long for the texting service, and an address of nulls.
    b.customer(
        700122,
        "Maximiliane-" * 10,
        "Thorne",
        "7075550176",
        "maximiliane@example.com",
        city=None,
        state=None,
        postal=None,
    )
    b.contact("7075550176", days=55)


def _shipments(b: Builder) -> None:
    # 700123: newest order goes by a carrier without a public page, over midnight UTC.
    gls = b.customer(700123, "Anselm", "Whitcombe", "7075550177", "anselm@example.com")
    b.order(
        "90000000030",
        gls,
        b.days_ago(5, 20, 15),
        "210.35",
        stage="SHIPPED",
        carrier="GLS",
        rate=("GND", "GLS Ground"),
        packages=[(None, "TESTGLS0000000030"), ("GLS", None)],
        shipped=b.days_ago(3, 17, 30),
        cart="CLUB",
        fraction=True,
    )
    b.contact("7075550177", days=56, source="KEYWORD", lists=("VIP",))
    # 700124: a paid status that no list names, and a status of the same kind.
    odd = b.customer(700124, "Philippa", "Standish", "7075550178", "philippa@example.com")
    b.order(
        "90000000031", odd, b.days_ago(6, 12), "75.00", status="ON_REVIEW", stage="HELD_AT_DOCK", cart="TASTING_ROOM"
    )
    b.contact("7075550178", days=57)
    # An order that was never submitted has no times at all.
    b.order("90000000032", gls, None, "18.50", status="PENDING", stage="OPEN")
