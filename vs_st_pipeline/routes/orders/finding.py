"""Finds the orders that a person names: by their number or id at Commerce7, or by their number at Vinoshipper.

Data flow: words typed -> staged.shop_orders, synced.orders -> order ids. Calls no system.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.platform.warehouse.connection import Db

NO_ORDER: Final = "this names no order; give its number or id at Commerce7, or its number at Vinoshipper"
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def may_be_order(word: str) -> bool:
    """Say whether a word among others, such as ids of merchants, names an order: it has a digit."""
    return bool(_WORD.fullmatch(word)) and any(sign.isdigit() for sign in word)


def is_id(word: str) -> bool:
    """Say whether a word is an id as Commerce7's pages show them; no page promises that all are of this form."""
    return bool(_ID.fullmatch(word))


def ids_of(word: str) -> list[str]:
    """Return the ids that a word may mean: one of the usual form in small letters, then each as it is typed."""
    return list(dict.fromkeys([word.lower(), word] if is_id(word) else [word]))


def may_be_customer(word: str) -> bool:
    """Say whether a word may be a customer's id at Commerce7; digits alone are Vinoshipper's."""
    return bool(_WORD.fullmatch(word)) and not word.isdigit()


def plain_number(word: str, prefix: str) -> str:
    """Return the number at Commerce7 that a word means, which may have the merchant's prefix before it."""
    before, after = word[: len(prefix) + 1], word[len(prefix) + 1 :]
    return after if after and before.casefold() == f"{prefix}-".casefold() else word


def held(db: Db, word: str, prefix: str) -> str | None:
    """Return the id of the order that a word names; None where none is held.

    A number at Commerce7 goes before a number at Vinoshipper: people read it on the order.
    """
    row = db.row(
        """select order_id from (
               select order_id, if(order_id = $word, 0, 1) as rank from staged.shop_orders
               where lower(order_id) = lower($word)
               union all select order_id, if(order_id = $word, 0, 1) from synced.orders
               where lower(order_id) = lower($word)
               union all select order_id, 2 from staged.shop_orders where order_number = $word
               union all select order_id, 2 from synced.orders where order_number = $word
               union all select order_id, 3 from synced.orders where lower(vs_number) = lower($word)
               union all select order_id, 4 from staged.shop_orders where order_number = $plain)
           order by rank limit 1""",
        {"word": word, "plain": plain_number(word, prefix)},
    )
    return None if row is None else str(row[0])


def check_word(word: str) -> None:
    """Refuse what can name no order. Raises BadArguments, which repeats nothing: it may be somebody's name."""
    if not _WORD.fullmatch(word):
        raise BadArguments(NO_ORDER)


def none_of(what: str, word: str, words: Iterable[str]) -> BadArguments:
    """Return the fault that a word is none of these; what was typed is not said, it may be somebody's name."""
    known = list(words)
    near = difflib.get_close_matches(word, known, n=1)
    return BadArguments(
        f"there is no such {what}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
    )
