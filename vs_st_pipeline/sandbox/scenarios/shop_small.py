"""Builds the shop of scenario `shop_small`: each person, good, sale and cart for one thing that a route may get wrong.

It is long because it is data.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC
from vs_st_pipeline.sandbox.scenarios.shop_model import (
    Basket,
    Choice,
    Good,
    Home,
    Line,
    MadeShop,
    Person,
    Reader,
    Sale,
    Wish,
)

PLAIN, OPTED_OUT, SILENT, MINOR, AGELESS, NO_EMAIL = 1, 2, 3, 4, 5, 6
YES_OF_TWO, NO_OF_TWO, FIRST_OF_TWO, SECOND_OF_TWO = 7, 8, 9, 10
BARE, ABROAD, AWKWARD, NO_SUCH_DAY, MANY_CARTS, EMPTIED, WISHES = 11, 12, 13, 14, 15, 16, 17
OF_AGE_TODAY, DAY_SHORT, NEW, NO_FIRST_NAME, CAPITALS, MEMBER, UNDATED = 18, 19, 20, 21, 22, 23, 24
GONE = 90
"""A person whom sales and carts name and nobody has."""
PINOT, CHARDONNAY, ROSE, GLASSES, GIFT_CARD, SOLD_OUT = 1, 2, 3, 4, 5, 6
OVERSOLD, PRICELESS, CLUB_ONLY, RETIRED, AWKWARD_GOOD, FRACTION = 7, 8, 9, 10, 11, 12
NO_GOOD = 90
"""Something that sales name and nobody sells."""


def small_shop(now: datetime) -> MadeShop:
    """Return the shop."""
    people = [one._replace(phone=one.phone and f"{7075551000 + one.number}") for one in _people(now)]
    return MadeShop(people, _goods(), _sales(), _baskets(), _wishes(), _readers())


def _people(now: datetime) -> list[Person]:
    today = now.astimezone(PACIFIC).date()
    grown = _years_before(today, 21)
    return [
        Person(PLAIN, "Marisol", "Vantongeren", "marisol@example.com", "the plain case"),
        Person(OPTED_OUT, "Odalys", "Brightwater", "odalys@example.com", "opted out", False),
        Person(SILENT, "Bram", "Okonkwo", "bram@example.com", "was never asked", None),
        Person(MINOR, "Tovah", "Young", "tovah@example.com", "under age, and opted in",
               born=_years_before(today, 19), held="under_age"),
        Person(AGELESS, "Ines", "Ageless", "ines@example.com", "no birth date, and opted in", born=None),
        Person(NO_EMAIL, "Noor", "Phoneonly", None, "has no e-mail"),
        Person(YES_OF_TWO, "Jules", "Household", "household@example.com", "one of two who share an address: says yes"),
        Person(NO_OF_TWO, "Remy", "Household", "Household@Example.com", "one of two who share an address: says no",
               False),
        Person(FIRST_OF_TWO, "Ada", "Pair", "pair@example.com", "one of two who share an address and both say yes"),
        Person(SECOND_OF_TWO, "Bo", "Pair", "pair@example.com", "the other of two who both say yes"),
        Person(BARE, "Pip", "Bare", "pip@example.com", "has neither phone nor address", phone=None, homes=()),
        Person(ABROAD, "Solène", "Étranger", "solene@example.com", "lives abroad, and has two addresses",
               homes=(Home("12 rue de l'Église", "Beaune", None, "21200", "FR", "Cave & Fils", "Bât. 3"), Home())),
        Person(AWKWARD, 'Al"\\x', "O'Brien <b>\t\u0007né 🍷</b>", "awkward+tag@example.com",
               "a name of quotes, tags, control characters and a picture",
               homes=(Home("1 Line\nBreak Road", "São Paulo", "CA", "95472"),)),
        Person(NO_SUCH_DAY, "Renske", "Duquesne", "renske@example.com", "born on a day that does not exist",
               born="1984-02-31"),
        Person(MANY_CARTS, "Carter", "Trolley", "carter@example.com", "has several carts: the newest counts"),
        Person(EMPTIED, "Emery", "Void", "emery@example.com", "has a cart that was emptied"),
        Person(WISHES, "Wisteria", "Wish", "wisteria@example.com", "wishes for two things"),
        Person(OF_AGE_TODAY, "Twyla", "Justnow", "twyla@example.com", "of age since today", born=grown),
        Person(DAY_SHORT, "Almo", "Tomorrow", "almo@example.com", "of age tomorrow",
               born=grown + timedelta(days=1),
               held="under_age"),
        Person(NEW, "Nia", "Newcomer", "nia@example.com", "came two hours ago", days=0.08),
        Person(NO_FIRST_NAME, None, "Mononym", "mononym@example.com", "has no first name"),
        Person(CAPITALS, "Cap", "Itals", " Cap.Itals@Example.COM ", "an address with capitals and blanks"),
        Person(MEMBER, "Clover", "Clubb", "clover@example.com", "a club member who did not opt in", False,
               club="Hillside Six"),
        Person(UNDATED, "Una", "Dated", "una@example.com", "nobody knows since when", days=None),
    ]  # fmt: skip


def _years_before(day: date, years: int) -> date:
    """Return the day so many years before, of 29 February the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _goods() -> list[Good]:
    return [
        Good(PINOT, "PINOT22", "Estate Pinot Noir 2022", "the plain case", 4200, 120, blurb="Red fruit and spice."),
        Good(CHARDONNAY, "CHARD23", "Barrel Chardonnay 2023", "has a discount", 3200, 48, sale_cents=2850),
        Good(ROSE, "ROSE24", "Creek Rose 2024", "is sold in two sizes", 2400, None,
             choices=(Choice(1, "750ml", None, 2400, 40), Choice(2, "1.5L", None, 5200, 0)), shelves=("Wine", "Rose")),
        Good(GLASSES, "GLASSES", "Pair of Glasses", "has three colors, and nobody counted one of them", 1999, None,
             choices=(Choice(3, None, "clear", 1999, 9), Choice(4, None, "smoke", 1999, None),
                      Choice(5, "large", "clear", 2499, 3)), shelves=(), kind="General Merchandise"),
        Good(GIFT_CARD, "GIFT50", "Gift Card", "nobody counts it", 5000, None, shelves=("Gifts",), kind="Gift Card"),
        Good(SOLD_OUT, "ZIN21", "Old Vine Zinfandel 2021", "is sold out", 3800, 0),
        Good(OVERSOLD, "SPARK20", "Sparkling Brut 2020", "more was sold than there is", 5600, -6),
        Good(PRICELESS, "MAGNUM", "Library Magnum 2012", "has no price", None, 3),
        Good(CLUB_ONLY, "CLUB01", "Members' Blend", "is for members", 4400, 60, shown=False),
        Good(RETIRED, "OLD18", "Old Syrah 2018", "is sold no longer", 3600, 0, shown=False),
        Good(AWKWARD_GOOD, "SKU /?&=#", 'Señor "Tinto" <i>\u0007</i>', "a name of quotes, tags and control characters",
             1050, 7, text='<p>Größe: "groß" &amp; rund</p>\n' + "x" * 2000, image=False),
        Good(FRACTION, "BULK", "Wine by the Liter", "has a stock that is no whole number", 900, 12.5),
    ]  # fmt: skip


def _sales() -> list[Sale]:
    minor = Person(51, "Gil", "Minor", "gil@example.com", "a guest under age", None, born=date(2012, 1, 1))
    guest = Person(52, "Greta", "Guest", "greta@example.com", "a guest", None)
    namesake = Person(53, "Marisol", "Vantongeren", "marisol@example.com", "a guest with a customer's address", None)
    one = (Line(PINOT, 2),)
    return [
        Sale(1, PLAIN, 30, (Line(PINOT, 2), Line(CHARDONNAY, 1)), "the plain case"),
        Sale(2, PLAIN, 2, one, "paid and not sent yet", "open"),
        Sale(3, OPTED_OUT, 45, one, "cancelled", "cancelled"),
        Sale(4, SILENT, 50, one, "refunded", "refunded"),
        Sale(5, AGELESS, 1, one, "not paid yet", "pending"),
        Sale(6, None, 12, one, "a guest's", guest=guest),
        Sale(7, None, 13, one, "a guest's who is under age", guest=minor, held="under_age"),
        Sale(8, None, 14, one, "a guest's with the address of a customer: nobody is joined", guest=namesake),
        Sale(9, NO_EMAIL, 15, (Line(NO_GOOD, 1), Line(PINOT, 1)), "names something that is not sold"),
        Sale(10, BARE, 16, (Line(PINOT, 0), Line(CHARDONNAY, 3)), "a line of nothing"),
        Sale(11, ABROAD, 17, (Line(ROSE, 1, 1), Line(ROSE, 2, 2)), "both sizes of one thing"),
        Sale(12, MINOR, 18, one, "of somebody who is under age", held="under_age"),
        Sale(13, MEMBER, 19, one, "costs nothing", cents=0),
        Sale(14, GONE, 20, one, "of a customer who is gone"),
        Sale(15, AWKWARD, 21, (Line(PINOT, 1), Line(PINOT, 2)), "two lines of one thing"),
        Sale(16, CAPITALS, 800, one, "long ago"),
        Sale(17, FIRST_OF_TWO, 22, one, "taken along at the winery", "picked_up"),
        Sale(18, SECOND_OF_TWO, 23, one, "given back in part", "returned", cents=-4200),
        Sale(19, NEW, 0.06, (Line(AWKWARD_GOOD, 12),), "an hour and a half ago", "open"),
        Sale(20, YES_OF_TWO, 24, (Line(GLASSES, 1, 4), Line(GIFT_CARD, 1)), "things that nobody counts"),
    ]


def _baskets() -> list[Basket]:
    return [
        Basket(1, PLAIN, (Line(PINOT, 1), Line(ROSE, 2, 1), Line(ROSE, 1, 2)), 1, "the plain case"),
        Basket(2, MANY_CARTS, (Line(CHARDONNAY, 6),), 9, "an older cart"),
        Basket(3, MANY_CARTS, (Line(PINOT, 3),), 0.5, "the newest cart"),
        Basket(4, MANY_CARTS, (Line(ROSE, 1, 1),), 4, "a cart between the two"),
        Basket(5, EMPTIED, (), 0.4, "emptied"),
        Basket(6, None, (Line(PINOT, 1),), 0.3, "a guest's"),
        Basket(7, None, (Line(CHARDONNAY, 2),), 0.2, "another guest's"),
        Basket(8, GONE, (Line(PINOT, 1),), 3, "of a customer who is gone"),
        Basket(9, MINOR, (Line(PINOT, 1),), 2, "of somebody who is under age"),
        Basket(10, AGELESS, (Line(NO_GOOD, 1),), 2, "something that is not sold"),
        Basket(11, BARE, (Line(PINOT, 0), Line(CHARDONNAY, 1)), 2, "a line of nothing"),
    ]


def _wishes() -> list[Wish]:
    return [
        Wish(WISHES, PINOT, 30),
        Wish(WISHES, SOLD_OUT, 3),
        Wish(PLAIN, CHARDONNAY, None),
        Wish(MINOR, PINOT, 5),
        Wish(GONE, PINOT, 5),
        Wish(SILENT, NO_GOOD, 5),
    ]


def _readers() -> list[Reader]:
    return [
        Reader(1, "reader@example.com", None, True, 90, "reads the newsletter, and is no customer"),
        Reader(2, "left@example.com", None, False, 90, "has left the newsletter, and is no customer"),
        Reader(3, "Bram@example.com", SILENT, True, 60, "a customer whom the newsletter's list knows as a reader"),
        Reader(4, "renske@example.com", NO_SUCH_DAY, False, 10, "left the list, while the account says yes"),
        Reader(5, "undated@example.com", None, True, None, "nobody knows since when"),
        Reader(6, "unsaid@example.com", None, None, 10, "says neither yes nor no"),
    ]
