"""Knows to which states the first three digits of a ZIP belong (orders.md 4.1 `zip_state`).

By the sectional centers of the United States Postal Service. Digits that are not in the table pass, and so do those of
the armed forces, which are left out; where a center delivers across a border, all of its states are listed. A wrong row
would keep a good order back, a missing one only misses a slip.
"""

from __future__ import annotations

from typing import Final

_RANGES: Final = """
005 NY; 006-007 PR; 008 VI; 009 PR
010-026 MA; 027 MA RI; 028-029 RI MA; 030-034 NH; 035 NH ME VT; 036-038 NH VT ME
039-049 ME; 050-054 VT NH; 055 MA; 056-057 VT; 058-059 VT NH
060-062 CT; 063 CT NY RI; 064-067 CT; 068-069 CT NY; 070-089 NJ
100-104 NY; 105-109 NY CT NJ; 110-119 NY; 120-149 NY; 150-187 PA; 188 PA NY; 189-196 PA; 197-199 DE
200 DC VA MD; 201 VA WV; 202-205 DC MD VA; 206-212 MD; 214-216 MD; 217 MD WV PA; 218 MD; 219 MD DE PA
220-239 VA; 240-243 VA TN WV; 244-246 VA WV; 247-249 WV VA; 250-268 WV
270-289 NC; 290-299 SC
300-306 GA; 307 GA TN AL; 308-317 GA; 318-319 GA AL; 398-399 GA FL AL
320-339 FL; 341-342 FL; 344 FL; 346-347 FL; 349 FL
350-363 AL; 364-367 AL FL; 368 AL GA; 369 AL MS
370 TN KY; 371-372 TN; 373-374 TN GA; 375 TN MS; 376 TN VA; 377-379 TN KY; 380-381 TN MS; 382 TN KY; 383-385 TN
386-387 MS TN; 388 MS AL TN; 389-397 MS
400-410 KY; 411-414 KY WV; 415-418 KY WV VA; 420 KY TN; 421-422 KY TN; 423-427 KY
430-459 OH; 460-468 IN; 469-479 IN; 480-497 MI; 498-499 MI WI
500-509 IA; 510-516 IA SD NE MN; 520-524 IA; 525-526 IA MO; 527-528 IA IL
530-532 WI; 534-535 WI; 537-547 WI; 548 WI MN; 549 WI
550-551 MN; 553-559 MN; 560-564 MN IA SD; 565-567 MN ND SD
570-577 SD NE MN ND WY; 580-588 ND SD MN MT; 590-599 MT ND WY ID
600-619 IL; 620 IL MO; 622-629 IL
630-631 MO; 633-634 MO; 635 MO IA; 636-641 MO; 644-646 MO; 647-648 MO KS OK; 650-655 MO; 656-658 MO AR
660-662 KS; 664-669 KS NE; 670-679 KS OK NE
680-681 NE; 683-689 NE KS; 690-693 NE SD CO WY KS
700-701 LA; 703-708 LA; 710-714 LA AR; 716-725 AR LA; 726-729 AR MO
730-731 OK; 733 TX; 734-736 OK TX; 737-738 OK KS; 739 OK TX KS; 740-741 OK; 743-746 OK KS; 747-749 OK AR TX
750-754 TX; 755 TX AR; 756-789 TX; 790-792 TX OK; 793-799 TX NM; 885 TX NM
800-805 CO; 806-807 CO NE WY; 808-810 CO; 811-815 CO NM UT; 816 CO WY
820-831 WY NE SD MT UT ID CO; 832-835 ID UT WY WA; 836-838 ID OR WA
840-844 UT; 845-847 UT AZ CO NV
850-853 AZ; 855-857 AZ NM; 859 AZ NM; 860 AZ UT; 863-864 AZ NV; 865 AZ NM UT
870-872 NM; 873-875 NM AZ CO; 877 NM CO; 878-879 NM AZ; 880-884 NM TX OK
889-891 NV CA AZ; 893 NV UT; 894-895 NV CA; 897 NV; 898 NV UT ID
900-908 CA; 910-928 CA; 930-960 CA; 961 CA NV
967 HI AS; 968 HI; 969 GU MP PW FM MH
970-974 OR; 975-976 OR CA; 977 OR; 978 OR WA; 979 OR ID; 980-985 WA; 986 WA OR; 988-994 WA OR ID
995-999 AK
"""


def _table() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in _RANGES.replace("\n", ";").split(";"):
        if words := row.split():
            first, _, last = words[0].partition("-")
            for digits in range(int(first), int(last or first) + 1):
                assert f"{digits:03}" not in found, digits
                found[f"{digits:03}"] = frozenset(words[1:])
    return found


STATES_OF: Final = _table()
"""States by the first three digits."""


def belongs_elsewhere(zip_code: str, state: str) -> bool:
    """Say whether a ZIP belongs to other states only.

    Args:
        zip_code: at least three digits. state: a code in capital letters.
    """
    known = STATES_OF.get(zip_code[:3])
    return known is not None and state not in known
