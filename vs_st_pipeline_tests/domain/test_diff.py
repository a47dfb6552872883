"""One value against what stands there: tables of cases, and what must hold for any values at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vs_st_pipeline.domain.diff import LedgerEntry, classify_drift, compare, decide, is_normalized_form
from vs_st_pipeline.domain.plan import Wanted

TEXT = st.text(alphabet="aAbB 1.é", max_size=6)
LEDGER = st.none() | st.builds(
    LedgerEntry, sent=TEXT, stored=st.none() | TEXT, before=TEXT, resent=st.booleans(), put_back=st.booleans()
)


@pytest.mark.parametrize(
    ("case", "wanted", "live", "accepted", "write", "note", "learned"),
    [
        ("equal and unknown to the ledger", "7", "7", None, False, None, "7"),
        ("equal, and read for the first time", "7", "7", LedgerEntry("7"), False, None, "7"),
        ("equal, and we had sent something else", "7", "7", LedgerEntry("8", "7"), False, None, "7"),
        ("put back once, and something else stands there", "7", "9", LedgerEntry("7", None, "5", True), True,
         "edited_there", None),
        ("equal and known", "7", "7", LedgerEntry("7", "7"), False, None, None),
        ("never written", "7", "", None, True, None, None),
        ("changed at the shop", "8", "7", LedgerEntry("7", "7"), True, None, None),
        ("changed at the shop before it was read back", "8", "7", LedgerEntry("7"), True, None, None),
        ("cleared at the shop", "", "7", LedgerEntry("7", "7"), True, None, None),
        ("edited there", "7", "9", LedgerEntry("7", "7"), True, "edited_there", None),
        ("edited there before it was read back", "7", "nine", LedgerEntry("7"), True, "edited_there", None),
        ("edited there and changed at the shop", "8", "9", LedgerEntry("7", "7"), True, "edited_there", None),
        ("edited back to what stood before us", "7", "5", LedgerEntry("7", None, "5"), True, "edited_there", None),
        ("stored cut", "Hillside Six, Reserve", "Hillside Six", LedgerEntry("Hillside Six, Reserve"), False, None,
         "Hillside Six"),
        ("stored recased", "WEB", "web", LedgerEntry("WEB"), False, None, "web"),
        ("stored trimmed", "Napa ", "Napa", LedgerEntry("Napa "), False, None, "Napa"),
        ("stored cut, and known to be", "abcdef", "abc", LedgerEntry("abcdef", "abc"), False, None, None),
        ("stored cut, then edited", "abcdef", "xyz", LedgerEntry("abcdef", "abc"), True, "edited_there", None),
        ("put back once, still insisting", "1.50", "3/2", LedgerEntry("1.50", None, "3/2", True), False, None, "3/2"),
        ("clearing had no effect", "", "7", LedgerEntry("", None, "7"), False, "cannot_clear", "7"),
        ("clearing had no effect, and that is known", "", "7", LedgerEntry("", "7", "7"), False, "cannot_clear", None),
        ("cleared, then filled in there", "", "9", LedgerEntry("", None, "7"), True, "edited_there", None),
        ("was empty, somebody wrote, cleared, and it stands there again", "", "7",
         LedgerEntry("", None, "7", put_back=True), True, "edited_there", None),
        ("put back after it had been seen, and the edit stands there again", "7", "9",
         LedgerEntry("7", None, "9", put_back=True), True, "edited_there", None),
        ("cleared twice without effect", "", "7", LedgerEntry("", None, "7", resent=True), False, "cannot_clear", "7"),
    ],
)  # fmt: skip
def test_mirror(
    case: str, wanted: str, live: str, accepted: LedgerEntry | None, write: bool, note: str | None, learned: str | None
) -> None:
    decision = decide("mirror", wanted, live, accepted)
    assert (decision.write, decision.note, decision.learned) == (write, note, learned), case


@pytest.mark.parametrize(
    ("case", "wanted", "live", "accepted", "write"),
    [
        ("empty there", "Ann", "", None, True),
        ("blank there", "Ann", "  ", None, True),
        ("somebody wrote something", "Ann", "Annie", None, False),
        ("nothing to say", "", "", None, False),
        ("a blank says nothing", " ", "", None, False),
        ("never cleared", "", "Annie", LedgerEntry("Annie", "Annie"), False),
        ("emptied there after we filled it", "Ann", "", LedgerEntry("Ann", "Ann"), True),
        ("filling had no effect once", "Ann", "", LedgerEntry("Ann"), True),
        ("filling had no effect twice", "Ann", "", LedgerEntry("Ann", None, "", True), False),
        ("filling is known to have no effect", "Ann", "", LedgerEntry("Ann", ""), False),
        ("a new wish after one that had no effect", "Bea", "", LedgerEntry("Ann", ""), True),
    ],
)
def test_fill(case: str, wanted: str, live: str, accepted: LedgerEntry | None, write: bool) -> None:
    assert decide("fill", wanted, live, accepted).write is write, case


@pytest.mark.parametrize(
    ("case", "wanted", "live", "accepted", "learned"),
    [
        ("what we filled is stored cut", "Annabel", "Anna", LedgerEntry("Annabel"), "Anna"),
        ("that is known", "Annabel", "Anna", LedgerEntry("Annabel", "Anna"), None),
        ("what stands there is of another wish", "Bea", "Ann", LedgerEntry("Ann"), None),
        ("it was never ours", "Ann", "Annie", None, None),
        ("filling had no effect twice", "Ann", "", LedgerEntry("Ann", None, "", True), ""),
    ],
)
def test_what_a_fill_teaches(
    case: str, wanted: str, live: str, accepted: LedgerEntry | None, learned: str | None
) -> None:
    decision = decide("fill", wanted, live, accepted)
    assert (decision.write, decision.learned) == (False, learned), case


@pytest.mark.parametrize(
    ("wanted", "live", "accepted", "moved"),
    [
        ("7", "7", None, "same"),
        ("abcdef", "abc", LedgerEntry("abcdef", "abc"), "same"),
        ("7", "9", None, "ours"),
        ("7", "9", LedgerEntry("7", "7"), "theirs"),
        ("8", "7", LedgerEntry("7", "7"), "ours"),
        ("8", "9", LedgerEntry("7", "7"), "both"),
        ("8", "7", LedgerEntry("7"), "ours"),
        ("8", "5", LedgerEntry("7", None, "5"), "ours"),
        ("8", "Seven", LedgerEntry("SEVEN, and more"), "ours"),
        ("8", "9", LedgerEntry("7", None, "5"), "both"),
    ],
)
def test_which_side_has_moved(wanted: str, live: str, accepted: LedgerEntry | None, moved: str) -> None:
    assert classify_drift("mirror", wanted, live, accepted) == moved


@given(wanted=TEXT, live=TEXT, accepted=LEDGER)
def test_fill_never_overwrites_and_never_clears(wanted: str, live: str, accepted: LedgerEntry | None) -> None:
    if decide("fill", wanted, live, accepted).write:
        assert not live.strip()
        assert wanted


@example(wanted=" ", live=" ", accepted=None, policy="fill")
@given(wanted=TEXT, live=TEXT, accepted=LEDGER, policy=st.sampled_from(["fill", "mirror"]))
def test_what_stands_there_already_is_never_written(
    wanted: str, live: str, accepted: LedgerEntry | None, policy: str
) -> None:
    if wanted == live:
        assert not decide(policy, wanted, live, accepted).write  # type: ignore[arg-type]


@given(wanted=TEXT, live=TEXT, policy=st.sampled_from(["fill", "mirror"]))
def test_without_a_ledger_every_difference_that_is_ours_is_written(wanted: str, live: str, policy: str) -> None:
    ours = wanted != live if policy == "mirror" else bool(wanted.strip()) and not live.strip()
    assert decide(policy, wanted, live, None).write is ours  # type: ignore[arg-type]


@given(
    wanted=st.text(alphabet="ab1 ", max_size=8),
    start=TEXT,
    store=st.sampled_from([str.strip, str.upper, lambda text: text[:3], lambda text: "", lambda text: "same", str]),
    policy=st.sampled_from(["fill", "mirror"]),
)
def test_whatever_a_destination_stores_instead_writing_comes_to_rest(
    wanted: str, start: str, store: object, policy: str
) -> None:
    """Sync after sync against a destination that stores its own form: no more than two writes, ever."""
    live, accepted, writes = start, None, 0
    for _ in range(6):
        decision = decide(policy, wanted, live, accepted)  # type: ignore[arg-type]
        if decision.learned is not None:
            accepted = LedgerEntry(wanted, decision.learned, live)
        if decision.write:
            writes += 1
            same = accepted is not None and accepted.sent == wanted
            seen = accepted.stored if accepted is not None else None
            accepted = LedgerEntry(wanted, None, live, same and seen is None, same and seen == wanted)
            live = store(wanted)  # type: ignore[operator]
    assert writes <= 2
    assert not decide(policy, wanted, live, accepted).write  # type: ignore[arg-type]


@given(sent=TEXT, live=TEXT)
def test_a_stored_form_holds_nothing_that_was_not_sent(sent: str, live: str) -> None:
    if is_normalized_form(sent, live):
        letters = [char for char in live.casefold() if char.isalnum()]
        assert letters
        assert "".join(char for char in sent.casefold() if char.isalnum()).startswith("".join(letters))


def test_compare_keeps_the_order_of_the_map_and_gathers_what_was_learned() -> None:
    wanted = [
        Wanted("Order Count", "order_count", "custom", "mirror", "8"),
        Wanted("firstName", "firstName", "builtin", "fill", "Ann"),
        Wanted("City", "city", "custom", "mirror", "Napa"),
        Wanted("State", "state", "custom", "mirror", ""),
    ]
    live = {("custom", "order_count"): "7", ("custom", "city"): "Napa", ("custom", "state"): "CA"}
    found = compare(wanted, lambda kind, key: live.get((kind, key), ""), {"State": LedgerEntry("", None, "CA")})
    assert [(row.field, row.old, row.new) for row in found.changes] == [
        ("Order Count", "7", "8"),
        ("firstName", "", "Ann"),
    ]
    assert found.notes == {"cannot_clear"}
    assert found.learned == [("City", "Napa", "Napa"), ("State", "", "CA")]
