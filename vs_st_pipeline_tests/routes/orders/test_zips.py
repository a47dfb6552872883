"""The table behind orders.md 4.1 `zip_state`: a good address of any state passes, and one of another state does not."""

from __future__ import annotations

import pytest

from vs_st_pipeline.routes.orders.us import ARMED_FORCES, CODES, STATES, TERRITORIES
from vs_st_pipeline.routes.orders.zips import STATES_OF, belongs_elsewhere

# Two or more places of each state, those near its borders among them.
GOOD = """
AL 35203 36104 36602; AK 99501 99801 99701; AZ 85001 85701 86001 86503 85344; AR 72201 71901 72701 71854
CA 90001 94102 92101 95814 96001 93101 92363 96150 95531; CO 80202 80903 81501 81301 80751; CT 06103 06510 06902 06260
DE 19901 19801 19940; DC 20001 20500 20024; FL 32301 33101 32501 34102 33602; GA 30303 31401 30901 39817 30741
HI 96813 96720; ID 83702 83402 83814 83501; IL 60601 62701 61201 62201 62901; IN 46204 47708 46320 47374
IA 50309 52801 51501 52240 51360; KS 66603 67202 66101 67735; KY 40202 40507 42001 41011 42223 41501
LA 70112 71101 70801 71201; ME 04101 04401 03901; MD 21201 20814 21502 21801 21921 20601
MA 02108 01103 02601 05501 02771
MI 48226 49503 49855 49938 49120; MN 55401 55802 56601 56301 55901; MS 39201 39530 38801 38632
MO 63101 64106 65801 63501 63801; MT 59101 59801 59601 59270; NE 68102 68508 69101 69361 68776
NV 89101 89501 89801 89049 89448; NH 03101 03301 03580 03784; NJ 07102 08608 08401 07974
NM 87102 88001 87501 88240 87401
NY 10001 12207 14202 11901 06390 00501 10901 13760; NC 27601 28202 28801 28401 27932; ND 58501 58102 58201 58801
OH 43215 44113 45202 43952 45701; OK 73102 74103 73942 74701 73533; OR 97201 97401 97501 97801 97914
PA 19103 15222 16501 18503 17401 16925; RI 02903 02840 02891 02802; SC 29201 29401 29601 29801 29715
SD 57104 57701 57401 57201; TN 37203 38103 37402 37620 37901 38261; TX 78701 75201 79901 79101 75501 77701 88510 73301
UT 84101 84770 84321 84532; VT 05401 05001 05301 05819; VA 22201 23219 24011 24201 20109 23451 24605
WA 98101 99201 98660 99362 99403; WV 25301 26505 24701 25401 26003 26726; WI 53202 54601 54880 53140 54143
WY 82001 83001 82801 82901 82240 83414
PR 00901; GU 96910; VI 00802; AS 96799; MP 96950
"""
ARMED = ["340", *(f"{digits:03}" for digits in (*range(90, 100), *range(962, 967)))]
UNUSED = """
000 001 002 003 004 213 269 343 345 348 353 419 428 429 517 518 519 529 533 536 552 568 578 579 589 621 632 642 643 649
659 663 682 694 695 696 697 698 699 709 715 732 742 817 818 819 839 848 849 854 858 861 862 866 867 868 869 876 886 887
888 892 896 899 909 929 987
"""
PLACES = [(row.split()[0], one) for row in GOOD.replace("\n", ";").split(";") if row for one in row.split()[1:]]


@pytest.mark.parametrize("state", sorted({state for state, _ in PLACES}))
def test_o4_1_a_good_address_passes(state: str) -> None:
    held = [one for where, one in PLACES if where == state and belongs_elsewhere(one, state)]
    assert held == []


def test_o4_1_there_are_places_of_every_state() -> None:
    assert {state for state, _ in PLACES} >= STATES
    assert {state for states in STATES_OF.values() for state in states} >= STATES
    assert {state for states in STATES_OF.values() for state in states} <= STATES | TERRITORIES


def test_o4_1_the_table_is_whole() -> None:
    """What is not in it is not in use, or of the armed forces, or the government's."""
    missing = {f"{digits:03}" for digits in range(1000)} - STATES_OF.keys()
    assert missing == {*ARMED, "569", *UNUSED.split()}
    assert not any(belongs_elsewhere(f"{digits}01", "CA") for digits in missing)


@pytest.mark.parametrize(
    ("zip_code", "state"),
    [
        ("10014", "CA"),
        ("95472", "NY"),
        ("33602", "GA"),
        ("78701", "NY"),
        ("60601", "TX"),
        ("96813", "CA"),
        ("02108", "NY"),
    ],
)
def test_o4_1_a_zip_of_another_state_is_found(zip_code: str, state: str) -> None:
    assert belongs_elsewhere(zip_code, state)


@pytest.mark.parametrize("zip_code", ["00000", "09012", "34001", "96201", "99999"])
def test_o4_1_what_is_in_no_row_passes(zip_code: str) -> None:
    assert not belongs_elsewhere(zip_code, "CA" if zip_code != "99999" else "AK")


def test_o4_1_the_codes_are_the_fifty_states_dc_territories_and_the_armed_forces() -> None:
    assert len(STATES) == 51
    assert {"DC", "CA", "WY"} <= STATES
    assert {"AA", "AE", "AP"} == ARMED_FORCES
    assert {"PR", "GU", "VI", "AS", "MP"} <= TERRITORIES
    assert len(CODES) == len(STATES) + len(TERRITORIES) + 3
