"""Builds scenario `small`: one winery whose few people are written by hand, each for a reason, and one that overlaps.

Dates of settled orders are fixed; those of open ones count back from today, so that they stay recent.
"""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC, Builder


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PACIFIC)


def fill_test_winery(b: Builder) -> None:
    """Add everybody of test-winery."""
    b.all_custom_fields()
    add_people(b)


def add_people(b: Builder) -> None:
    """Add the twelve customers and their contacts; the demo wineries have them too."""
    _plain_people(b)
    _phones_and_links(b)
    _people_held_back(b)
    _odd_orders(b)
    _contacts_without_customer(b)


def _plain_people(b: Builder) -> None:
    # 700101 Marisol: the plain case. Linked by phone, empty contact, active member, three counted orders.
    marisol = b.customer(
        700101, "Marisol", "Vantongeren", "7075550142", "marisol.vantongeren@example.com", (1981, 9, 4)
    )
    b.membership(marisol, "Hillside Six", "2025-02-11")
    b.order("90000000003", marisol, _at("2025-02-11T11:00:00"), "64.25", since="2025-02-11")
    b.order("90000000009", marisol, _at("2025-09-01T10:30:00"), "1200.00", cart="CLUB", since="2025-02-11")
    b.order(
        "90000000017",
        marisol,
        _at("2026-05-28T19:31:00"),
        "128.71",
        stage="SHIPPED",
        packages=[("UPS", "1ZEXAMPLE0000000017")],
        shipped=_at("2026-05-30T09:12:00"),
        since="2025-02-11",
    )
    b.contact("7075550142", source="WEB_FORM", days=40)

    # 700102 Okonkwo-Reyes: null e-mail, null phone, null first name, no birth date, no address; no contact can be
    # linked to this customer.
    nameless = b.customer(700102, None, "Okonkwo-Reyes", None, None, None, address=False)
    b.order("90000000004", nameless, _at("2025-03-02T12:00:00"), "45.00")

    # 700126 Linnea: an ordinary customer who has not opted in; none of her records is read in detail until she does.
    linnea = b.customer(700126, "Linnea", "Sandoval", "7075550152", "linnea@example.com", (1992, 6, 1))
    b.order("90000000016", linnea, _at("2026-05-01T10:00:00"), "61.00", since="2026-05-01")

    # 700111 Odalys: eleven digits with a leading 1; only a cancelled and a returned order, so nothing counts.
    odalys = b.customer(
        700111, "Odalys", "Brightwater", "17075550151", "odalys@example.com", (1969, 2, 28), "Bend", "OR", "97701"
    )
    b.order("90000000011", odalys, _at("2025-10-10T09:00:00"), "80.00", stage="RETURNED", since="2025-10-10T09:00:00")
    b.order("90000000012", odalys, _at("2025-11-12T09:00:00"), "81.50", stage="CANCELLED", since="2025-10-10T09:00:00")
    b.contact("7075550151", source="KEYWORD", days=35, first="", email="")


def _phones_and_links(b: Builder) -> None:
    # 700103 Bram: linked by a VScustomerID with blanks around it, though phones differ. Names set by hand stay;
    # other people's fields, lists and the comment stay. Evening order that is already tomorrow in UTC, and a
    # PENDING order newer than that, which must not count as the newest.
    bram = b.customer(700103, "Bram", "Ostrowski", "+1 (707) 555-0143 x12", "bram@example.com", (1975, 12, 31))
    b.order(
        "90000000013", bram, _at("2026-03-31T21:45:00"), "59.90", since="2024-01-05", carrier="FEDEX", fraction=True
    )
    b.order("90000000099", bram, b.days_ago(2, 8), "300.00", status="PENDING", stage="UNPAID")
    b.contact(
        "5035550143",
        source="MANUAL",
        days=30,
        first="Bramble",
        last="O.",
        comment="Likes Zin; call after 5.",
        lists=("VIP", "Newsletter list"),
        fields={"VScustomerID": " 700103 ", "Favorite Varietal": "Zinfandel", "Birthday Gift Sent": "2026"},
    )

    # 700104 Ines and 700105 Jonas share a phone (punctuated here, plain there); Jonas ordered last and wins.
    ines = b.customer(700104, "Ines", "Halloran", "(707) 555-0144", "ines@example.com")
    jonas = b.customer(700105, "Jonas", "Halloran", "707.555.0144", "jonas@example.com", city="Healdsburg")
    b.order("90000000006", ines, _at("2025-06-01T10:00:00"), "70.00", since="2025-06-01")
    b.order("90000000010", jonas, _at("2025-10-01T10:00:00"), "90.10", cart=None)
    b.contact("7075550144", source="IMPORTED_FROM_FILE", days=28)

    # 700110 Ffion: two contacts, one by phone and one by VScustomerID. Her e-mail is already the second one's,
    # in other letters, so the first one must not get it.
    ffion = b.customer(700110, "Ffion", "Marchetti", "7075550149", "ffion@example.com", (1990, 2, 28))
    b.membership(ffion, "Reserve", "2024-07-01T08:30:00-07:00")
    b.membership(ffion, "Hillside Six", None)
    b.order("90000000007", ffion, _at("2025-07-04T13:00:00"), "150.00", rate=("LOCAL", None), carrier="SELF")
    b.contact("7075550149", source="KEYWORD", days=26)
    b.contact("7075550150", source="ZAPIER", days=25, email="FFION@example.com", fields={"VScustomerID": "700110"})

    # 700112 Alasdair: a British number whose last ten digits are a contact's phone; the country code forbids the link.
    b.customer(
        700112,
        "Alasdair",
        "Pemberton",
        {"number": "2079460958", "country": "44", "extension": None},
        "alasdair@example.com",
    )
    b.contact("2079460958", source="WEB_FORM", days=24)


def _people_held_back(b: Builder) -> None:
    # 700106 Piper: under 21 today.
    piper = b.customer(700106, "Piper", "Lindqvist", "7075550145", "piper@example.com", (b.now.year - 20, 1, 15))
    b.order(
        "90000000008", piper, _at("2025-08-08T10:00:00"), "33.00", status="AGE_VERIFICATION_FAILED", stage="PROBLEM"
    )
    b.contact("7075550145", source="MAILCHIMP_SYNC", days=22)

    # 700107 Tobias: texted STOP; birth date unknown.
    tobias = b.customer(700107, "Tobias", "Achterberg", "7075550146", "tobias@example.com", None)
    b.order("90000000005", tobias, _at("2025-05-05T10:00:00"), "55.55")
    b.contact("7075550146", "OPT_OUT", "INCOMING_MESSAGE", days=20, fields={"VScustomerID": "700107"})

    # 700109 Wanda: has not confirmed her sign-up; membership on hold, another one cancelled.
    wanda = b.customer(700109, "Wanda", "Szczepanska", "7075550148", "wanda@example.com", (1988, 2, 29))
    b.membership(wanda, "Hillside Six", "2023-04-01", hold=True)
    b.membership(wanda, "Reserve", "2022-01-01", cancelled=True)
    b.contact("7075550148", "WAIT_SMS_CONFIRMATION", "WEB_FORM", days=18)


def _odd_orders(b: Builder) -> None:
    # 700108 Renske: impossible birth date; pack products, two packages of which one lacks its number, two orders
    # in the same second, a number with a slash and a blank, a swapped postal code, an unknown status.
    renske = b.customer(700108, "Renske", "Duquesne", "707-555-0147", "renske@example.com", (1984, 2, 31))
    b.membership(renske, "Hillside Six", "2024-03-03", hold=True)
    same = b.days_ago(3, 18, 5)
    b.order("TW 2026/0006", renske, same, "20.00", stage="AWAITING_WEATHER", swapped=True, since="2024-03-03")
    b.order(
        "TW 2026/0007",
        renske,
        same,
        "99.99",
        stage="LABELS_GENERATED",
        packs=True,
        packages=[("UPS", " "), ("UPS", "1ZEXAMPLE0000000020")],
        since="2024-03-03",
    )
    b.order(
        "90000000015", renske, _at("2026-04-20T15:00:00"), "25.00", stage="PICKED_UP", rate=("PCKP", None), carrier=None
    )
    b.contact("7075550147", source="CONFIRMATION", days=16, last="Duquesne")

    # An order without a customer: the customer's id is null though the e-mail is Marisol's.
    nobody = b.order("90000000014", None, _at("2026-04-01T10:00:00"), "500.00")
    nobody["customer"]["email"] = "marisol.vantongeren@example.com"


def _contacts_without_customer(b: Builder) -> None:
    # No customer of the shop has this phone: never written.
    b.contact("7075550160", source="KEYWORD", days=14, first="Quentin", fields={"Favorite Varietal": "Syrah"})
    # Names a customer that does not exist, and no phone matches: no link.
    b.contact("7075550161", source="MANUAL", days=13, fields={"VScustomerID": "999999"})
    # Said no to the confirmation text.
    b.contact("7075550162", "REJECT_CONFIRMATION", "WEB_FORM", days=12)


def fill_other_winery(b: Builder) -> None:
    """Add the ids and phones of test-winery with other people: nothing may leak from one winery to the other."""
    b.all_custom_fields()
    for id, first, phone in ((700101, "Other", "7075550142"), (700103, "Else", "7075550144"), (700190, "Third", None)):
        person = b.customer(
            id, first, "Elsewhere", phone, f"{first.lower()}@example.com", city="Walla Walla", state="WA"
        )
        b.order(f"8000000{id}", person, _at("2026-01-15T10:00:00"), "10.00", since="2026-01-15")
    b.contact("7075550142", days=10)
    b.contact("7075550144", days=9, fields={"VScustomerID": "700190"})
    b.contact("7075550160", days=8)
