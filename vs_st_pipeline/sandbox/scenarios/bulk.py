"""Makes people in numbers: ordinary customers drawn from a seeded generator, for the demo, big and fleet scenarios."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC, Builder
from vs_st_pipeline.sandbox.scenarios.people import add_awkward_cast

FIRST_NAMES = (
    "Adela Bertil Calliope Dmitri Elodie Farrukh Greta Hamish Ilse Jarek Kalinda Leopold Mireille Nikolai Ottoline "
    "Pascal Quilla Rosalind Sixten Tamsin Ulrika Viggo Winifred Xanthe Yorick Zelda Ambrose Bettina Casimir Delphine"
)
LAST_NAMES = (
    "Abernathy Bellweather Castellane Dunmore Eskelund Fairweather Goldcrest Hollowell Inchbald Jessamine Kestrel "
    "Larkspur Merriweather Nettleship Oakhanger Pennywhistle Quillfeather Ravensworth Silverthorn Thistlewood "
    "Umberfield Vandermolen Winterbourne Yarrowby Zimmerwald Applegarth Brambleton Coppersmith Drinkwater Elderfield"
)
FIRST, LAST = FIRST_NAMES.split(), LAST_NAMES.split()
PLACES = (
    ("Sebastopol", "CA", "95472"),
    ("Portland", "OR", "97201"),
    ("Seattle", "WA", "98101"),
    ("Austin", "TX", "78701"),
    ("Denver", "CO", "80202"),
    ("Boise", "ID", "83702"),
)
AREAS = ("707", "415", "510", "916", "530", "503", "206", "312", "305")
CLUBS = ("Hillside Six", "Reserve", "Red Only", "Quarterly Twelve")
SOURCES = ("KEYWORD", "WEB_FORM", "IMPORTED_FROM_FILE", "MAILCHIMP_SYNC", "MANUAL", "CONFIRMATION")
FIRST_DAY = datetime(2019, 1, 2, tzinfo=UTC)


class Crowd:
    """Ordinary people of one merchant; the seed is the merchant's account, so every winery has its own."""

    def __init__(self, b: Builder, offset: int = 0) -> None:
        self.b = b
        self.random = random.Random(b.merchant.account * 1000 + offset)
        self.people: list[Record] = []

    def phone(self, i: int) -> str:
        """Return a made-up phone for each person; 555 throughout, never 01xx, which the hand-written people use."""
        return f"{AREAS[i % len(AREAS)]}555{1000 + i // len(AREAS):04d}"

    def customers(self, count: int, first_id: int) -> None:
        """Add ordinary customers; about one in four is a club member."""
        rnd, b = self.random, self.b
        for i in range(count):
            first, last = rnd.choice(FIRST), rnd.choice(LAST)
            place = rnd.choice(PLACES)
            born = (rnd.randint(1945, 2000), rnd.randint(1, 12), rnd.randint(1, 28)) if rnd.random() < 0.9 else None
            email = f"{first}.{last}.{first_id + i}@example.com".lower() if rnd.random() < 0.95 else None
            person = b.customer(first_id + i, first, last, self._written(self.phone(i)), email, born, *place)
            self.people.append(person)
            if rnd.random() < 0.25:
                joined = FIRST_DAY + timedelta(days=rnd.randint(0, 2500))
                b.membership(person, rnd.choice(CLUBS), joined.date().isoformat(), hold=rnd.random() < 0.1)

    def _written(self, digits: str) -> str:
        forms = (digits, digits, f"({digits[:3]}) {digits[3:6]}-{digits[6:]}", f"+1{digits}", f"1-{digits}")
        return self.random.choice(forms)

    def orders(self, count: int, everybody_first: int = 0, only_lately: int = 0) -> None:
        """Add orders from 2019 until today; the newest are still under way. The first people get one each if asked.

        Of these first people, `only_lately` have no other orders than that one and those of the last 90 days.
        """
        rnd, b = self.random, self.b
        span = (b.now - FIRST_DAY).total_seconds() - 3600
        moments = sorted(FIRST_DAY + timedelta(seconds=int(rnd.random() * span)) for _ in range(count))
        since: dict[int, str] = {}
        lately, old = b.now - timedelta(days=90), self.people[only_lately:]
        for i, moment in enumerate(moments):
            person = self.people[i] if i < everybody_first else rnd.choice(old if moment < lately else self.people)
            at = moment.astimezone(PACIFIC)
            since.setdefault(person["id"], at.date().isoformat())
            self._order(f"9{b.merchant.account:04d}{i + 1:06d}", person, at, since[person["id"]])

    def _order(self, number: str, person: Record, at: datetime, since: str) -> None:
        rnd, b = self.random, self.b
        total = f"{rnd.randint(2500, 60000) / 100:.2f}"
        cart = rnd.choice(("WEB", "WEB", "CLUB", "POS"))
        age = (b.now - at).days
        if rnd.random() < 0.06:
            b.order(number, person, at, total, stage=rnd.choice(("CANCELLED", "RETURNED")), cart=cart, since=since)
        elif rnd.random() < 0.08:
            stage = "OPEN" if age < 7 else "PICKED_UP"
            b.order(
                number, person, at, total, stage=stage, rate=("PCKP", "Pickup"), carrier=None, cart=cart, since=since
            )
        elif age < 4:
            stage = "OPEN" if age < 2 else "LABELS_GENERATED"
            b.order(number, person, at, total, stage=stage, cart=cart, since=since)
        else:
            carrier, rate = rnd.choice((("UPS", ("03", "UPS Ground")), ("FEDEX", ("FG", "FedEx Ground"))))
            shipped = at + timedelta(days=2)
            delivered = at + timedelta(days=6) if age >= 7 else None
            track = f"1ZEX{number}" if carrier == "UPS" else f"7777{number}"[:12]
            b.order(
                number,
                person,
                at,
                total,
                stage="DELIVERED" if delivered else "SHIPPED",
                carrier=carrier,
                rate=rate,
                packages=[(carrier, track)],
                shipped=shipped,
                delivered=delivered,
                cart=cart,
                since=since,
            )

    def contacts(self, linked: int, unmatched: int, awkward: bool = True) -> None:
        """Add contacts of the first people (some by VScustomerID, most by phone only), and of strangers."""
        rnd, b = self.random, self.b
        for i, person in enumerate(self.people[:linked]):
            status = "OPT_IN"
            if awkward and rnd.random() < 0.15:
                status = rnd.choice(("OPT_OUT", "OPT_OUT", "WAIT_SMS_CONFIRMATION", "REJECT_CONFIRMATION"))
            fields = {"Zip Code": "95472"} if rnd.random() < 0.2 else {}
            if rnd.random() < 0.2:
                fields["VScustomerID"] = str(person["id"])
            name = person["firstName"] if rnd.random() < 0.5 else None
            lists = ("Newsletter list",) if rnd.random() < 0.3 else ()
            source = rnd.choice(SOURCES)
            b.contact(self.phone(i), status, source, rnd.uniform(1, 700), fields, lists, first=name)
        for i in range(unmatched):
            b.contact(self.phone(40000 + i), "OPT_IN", rnd.choice(SOURCES), rnd.uniform(1, 700))


def fill_hillside(b: Builder) -> None:
    """Add about 40 customers and 30 contacts; the account lacks two fields and writes some labels its own way."""
    b.all_custom_fields(
        without=("Tracking URL", "Channel"), renamed={"City": "CITY", "Order Count": "order count", "State": "state"}
    )
    _fill(b, customers=15, orders=36, linked=8, unmatched=2)


def fill_blue_oak(b: Builder) -> None:
    """Add about 400 customers and 120 contacts; one field is known by its merge tag only."""
    b.all_custom_fields(renamed={"Lifetime Value": "lifetime_value"})
    _fill(b, customers=376, orders=580, linked=80, unmatched=20)


def fill_three_rivers(b: Builder) -> None:
    """Add about 4,000 customers and 500 contacts."""
    b.all_custom_fields()
    _fill(b, customers=3976, orders=2380, linked=400, unmatched=80)


def _fill(b: Builder, customers: int, orders: int, linked: int, unmatched: int) -> None:
    add_awkward_cast(b)
    crowd = Crowd(b)
    crowd.customers(customers, 701000)
    crowd.orders(orders)
    crowd.contacts(linked, unmatched)


def fill_ordinary(
    b: Builder, customers: int, orders: int, linked: int, unmatched: int = 0, without: tuple[str, ...] = ()
) -> Crowd:
    """Add people who break no assumption: the first `linked` have an order and are opted-in contacts."""
    b.all_custom_fields(without=without)
    crowd = Crowd(b)
    crowd.customers(customers, 701000)
    crowd.orders(orders, everybody_first=linked)
    crowd.contacts(linked, unmatched, awkward=False)
    return crowd


def fill_linked_only(b: Builder) -> None:
    """Add 4,000 customers, of which exactly 1,000 are linked OPT_IN contacts with at least one order each."""
    fill_ordinary(b, customers=4000, orders=2400, linked=1000)


def fill_estate(b: Builder) -> None:
    """Add 10,000 customers with 60,000 orders since 2019; 800 are linked OPT_IN contacts, 200 contacts strangers.

    The 800 have a first order and their share of the last 90 days; with all the others' a first sync takes minutes.
    """
    b.all_custom_fields()
    crowd = Crowd(b)
    crowd.customers(10_000, 701000)
    crowd.contacts(800, 200, awkward=False)  # before the orders, so that they do not depend on them
    if "orders" not in b.without:
        crowd.orders(60_000, everybody_first=800, only_lately=800)


def fill_mailing(b: Builder, people: int) -> None:
    """Add customers without orders, each a contact: much to write, little to read."""
    b.all_custom_fields()
    crowd = Crowd(b)
    crowd.customers(people, 701000)
    crowd.contacts(people, 0, awkward=False)


def fill_valley(b: Builder) -> None:
    """Add 2,000 customers, 1,000 orders; 300 are linked contacts: an ordinary winery, of which there are many."""
    fill_ordinary(b, customers=2000, orders=1000, linked=300, unmatched=50)


def fill_growing(b: Builder, linked: int) -> None:
    """Add that many linked contacts, and what comes with them: at 300 it is a winery of the valley."""
    fill_ordinary(b, customers=max(2000, 2 * linked), orders=max(1000, 2 * linked), linked=linked, unmatched=50)


def fill_tiny(b: Builder) -> None:
    """Add ten customers, six linked contacts and a stranger; one winery of a fleet."""
    fill_ordinary(b, customers=10, orders=12, linked=6, unmatched=1)
