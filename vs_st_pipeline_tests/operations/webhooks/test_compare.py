"""What is listed against what is wanted, without any system (H33-H36)."""

from __future__ import annotations

import pytest

from vs_st_pipeline.operations.webhooks.compare import Standing, State, compare
from vs_st_pipeline.operations.webhooks.site import Recognizer, Site, Whose
from vs_st_pipeline.platform.hooks import Registration, hook_url, make_token
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookSettings
from vs_st_pipeline_tests.operations.webhooks.conftest import PUBLIC, SECRET

SHOP = "shop"
MERCHANT = Merchant("oak", "Oak", webhooks=WebhookSettings(systems={SHOP: SystemWebhooks(generation=3)}))
WHOSE = Recognizer(Site(PUBLIC, (SECRET, "o" * 40), ("https://before.example.com/in",)), MERCHANT, SHOP)


def url(generation: int = 3, *, start: str = PUBLIC, secret: str = SECRET, merchant: str = "oak") -> str:
    return hook_url(start, SHOP, make_token(secret, SHOP, merchant, generation))


@pytest.mark.parametrize(
    ("registered", "whose"),
    [
        (url(), Whose.PRESENT),
        (f"{url()}/", Whose.PRESENT),
        (f"{url()}?a=b", Whose.PRESENT),
        (url(start="HTTPS://HOOKS.example.com:443"), Whose.PRESENT),
        (url(2), Whose.OLD),
        (url(1), Whose.OLD),
        (url(3, secret="o" * 40), Whose.OLD),
        (url(4), Whose.FOREIGN),  # of no generation that there was
        (url(0), Whose.FOREIGN),
        (url(secret="x" * 40), Whose.FOREIGN),
        (url(merchant="elm"), Whose.FOREIGN),
        (url().replace("/shop/", "/other/"), Whose.FOREIGN),
        (url().replace("/hooks/", "/Hooks/"), Whose.FOREIGN),
        (url() + "/more", Whose.FOREIGN),
        (url().upper(), Whose.FOREIGN),
        (url(1, start="https://before.example.com/in"), Whose.MOVED),
        (url(start="https://before.example.com"), Whose.ELSEWHERE),
        (url(start="http://hooks.example.com"), Whose.ELSEWHERE),
        (url(start=f"{PUBLIC}:8443"), Whose.ELSEWHERE),
        (url(start="https://hooks.example.com.evil.example"), Whose.ELSEWHERE),
        (url(start="https://me@hooks.example.com"), Whose.ELSEWHERE),
        ("", Whose.FOREIGN),
        ("https://[::1/hooks/shop/x", Whose.FOREIGN),
    ],
)
def test_h33_ours_is_by_token_and_beginning(registered: str, whose: Whose) -> None:
    assert WHOSE.whose(registered) is whose
    assert make_token(SECRET, SHOP, "oak", 3) not in WHOSE.shown(registered)


def listed(id: str, *names: str, at: str = "", generation: int = 3, as_wanted: bool = True) -> Registration:
    return Registration(id, names, url(generation), at, as_wanted)


def ids(standing: Standing) -> tuple[list[str], list[str], list[str]]:
    """Ids of those that are right, those to be changed, and those that may be removed."""
    return (
        [one.id for one in standing.ok.values()],
        [one.id for one in standing.changed.values()],
        [one.id for one in standing.removable],
    )


def test_h35_the_oldest_stays() -> None:
    found = [listed("new", "A", at="2026-11-02T00:00:00Z"), listed("old", "A", at="2026-11-01T00:00:00Z")]
    assert ids(compare(found, WHOSE, ["A"], together=False)) == (["old"], [], ["new"])


def test_h35_nothing_is_removed_before_a_right_one_stands() -> None:
    """H35: an older one stays while the new one is missing, or is refused."""
    older = [listed("older", "A", generation=2)]
    assert ids(compare(older, WHOSE, ["A"], together=False)) == ([], [], [])
    assert ids(compare(older, WHOSE, ["A"], together=False, refused=["A"])) == ([], [], [])
    assert ids(compare([*older, listed("new", "A")], WHOSE, ["A"], together=False)) == (["new"], [], ["older"])
    assert ids(compare([listed("", "A", generation=2), listed("new", "A")], WHOSE, ["A"], together=False))[2] == []


def test_h36_an_older_one_for_several_names_goes_when_each_of_them_has_a_right_one() -> None:
    older, wanted = listed("older", "A", "B", generation=2), ["A", "B"]
    part = compare([older, listed("a", "A")], WHOSE, wanted, together=True, singly=True)
    assert ids(part) == (["a"], [], [])
    whole = compare([older, listed("a", "A"), listed("b", "B")], WHOSE, wanted, together=True, singly=True)
    assert ids(whole) == (["a", "b"], [], ["older"])
    without = compare([older, listed("a", "A")], WHOSE, wanted, together=True, refused=["B"])
    assert ids(without) == (["a"], [], ["older"])


def test_h36_other_limits_or_filters_are_changed_and_one_for_each_is_as_good() -> None:
    assert ids(compare([listed("a", "A", "B", as_wanted=False)], WHOSE, ["A", "B"], together=True)) == ([], ["a"], [])
    assert ids(compare([listed("a", "A"), listed("b", "B")], WHOSE, ["A", "B"], together=True)) == (["a", "b"], [], [])
    assert ids(compare([listed("a", "A")], WHOSE, ["A", "B"], together=True)) == ([], ["a"], [])


def test_ruling_4_a_refused_name_that_is_there_after_all_is_not_refused() -> None:
    standing = compare([listed("a", "A"), listed("b", "B")], WHOSE, ["A", "B"], together=False, refused=["B"])
    assert (ids(standing)[0], standing.refused) == (["a", "b"], ())
    assert compare([listed("a", "A")], WHOSE, ["A", "B"], together=False, refused=["B"]).refused == ("B",)


def test_r55_what_is_not_wanted_for_now_is_left_and_not_missed() -> None:
    found = [listed("a", "A"), listed("b", "B"), listed("c", "C"), listed("older", "B", generation=2)]
    standing = compare(found, WHOSE, ["A"], together=False, idle=["B", "D"])
    assert (ids(standing), standing.missing) == ((["a", "b"], [], ["c", "older"]), ())
    assert [state for _, state in standing.surplus] == [State.DUPLICATE, State.OLD_GENERATION]


def test_h35_names_that_cannot_be_read_take_no_webhook_away_before_all_stand() -> None:
    """H35: a list in another form than is known must not make us remove what we have just made."""
    assert ids(compare([listed("a"), listed("b")], WHOSE, ["A", "B"], together=False)) == ([], [], [])
    assert ids(compare([listed("a"), listed("b", "B")], WHOSE, ["A", "B"], together=False)) == (["b"], [], [])
    both = [listed("x"), listed("a", "A"), listed("b", "B")]
    assert ids(compare(both, WHOSE, ["A", "B"], together=False)) == (["a", "b"], [], ["x"])
