"""Compares the webhooks of one merchant and system with what is wanted (webhooks-onboarding.md H34-H36).

Data flow: registrations as listed + names that are wanted -> groups (what one webhook is for) -> rows with states.

Nothing here sends anything. A system with one webhook per name has a group per name; one that takes several names in
one webhook has one group, unless it was seen to keep fewer names than it was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vs_st_pipeline.operations.webhooks.site import Recognizer, Whose
from vs_st_pipeline.platform.hooks import Registration

Group = tuple[str, ...]


class State(StrEnum):
    """What a webhook's row says."""

    OK = "ok"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    OLD_GENERATION = "old_generation"
    MOVED = "moved"
    ELSEWHERE = "elsewhere"
    CHANGED = "changed"
    REFUSED = "refused"
    NOT_ENABLED = "not_enabled"
    TOLD = "told"  # of a system that lists none: it was told the URL, or a person was shown it who registers it there
    UNPROVEN = "unproven"


_OF: dict[Whose, State] = {
    Whose.OLD: State.OLD_GENERATION,
    Whose.MOVED: State.MOVED,
    Whose.ELSEWHERE: State.ELSEWHERE,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One webhook, wanted or there.

    Attributes:
        name: its names joined by `+`. id: the system's; None where it is not there.
        shown: its URL without the token. url: the whole one, for the system and for who may see it.
    """

    system: str
    name: str
    state: State
    id: str | None
    shown: str
    url: str = field(repr=False)
    test: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at one system.

    Attributes:
        ok: the registration of each group that has a right one.
        missing: groups without any; changed: groups with one that has other names or limits.
        surplus: those of ours that are too many: a second one, an older URL, or for names that nobody wants.
        elsewhere: another installation's. foreign: how many others there are.
        refused: names that the system does not take. idle: names that are not wanted for now.
    """

    groups: tuple[Group, ...]
    ok: dict[Group, Registration]
    missing: tuple[Group, ...]
    changed: dict[Group, Registration]
    surplus: tuple[tuple[Registration, State], ...]
    elsewhere: tuple[Registration, ...]
    foreign: int
    refused: tuple[str, ...]
    idle: tuple[str, ...] = ()

    @property
    def removable(self) -> list[Registration]:
        """Return those of ours that are too many: what they are for, as far as it is wanted, has a right one."""
        wanted = {name for group in self.groups for name in group}
        covered = {name for group in self.ok for name in group}

        def is_covered(names: set[str]) -> bool:
            if not covered.issuperset(names & wanted):
                return False
            # An older one that the system takes no more anew is better than none.
            return not names & {*wanted, *self.refused, *self.idle} or bool(names & covered)

        # One whose names cannot be read may be for any: a list in another form than is known takes none away.
        return [one for one, _ in self.surplus if one.id and is_covered(set(one.names) or wanted)]

    @property
    def ours(self) -> list[Registration]:
        """Return all of ours."""
        there = [*self.ok.values(), *self.changed.values(), *(one for one, _ in self.surplus)]
        return [one for one in there if one.id]

    def without(self, gone: Registration) -> Standing:
        """Return what stands when one was removed."""

        def left(found: dict[Group, Registration]) -> dict[Group, Registration]:
            return {group: one for group, one in found.items() if one is not gone}

        surplus = tuple(pair for pair in self.surplus if pair[0] is not gone)
        return replace(self, ok=left(self.ok), changed=left(self.changed), surplus=surplus)


def compare(
    found: Sequence[Registration],
    whose: Recognizer,
    wanted: Sequence[str],
    *,
    together: bool,
    singly: bool = False,
    refused: Collection[str] = (),
    idle: Collection[str] = (),
) -> Standing:
    """Compare what is listed with what is wanted.

    Args:
        wanted: names, in their order. refused: those of them that the system does not take.
        idle: names that are not wanted for now: what is registered for them is left, and not missed.
        together: one webhook may be for several names. singly: but this account was seen not to keep them.
    """
    present = sorted((one for one in found if whose.whose(one.url) is Whose.PRESENT), key=lambda one: one.made_at)
    there = {name for one in present for name in one.names}
    refused = tuple(name for name in wanted if name in refused and name not in there)  # what is there is taken by now
    names = [name for name in wanted if name not in refused]
    groups = _groups(names, present, together=together, singly=singly)
    rest = {*idle, *wanted}
    for one in present:
        if (
            one.as_wanted
            and one.names
            and one.names not in groups
            and set(idle) & set(one.names)
            and rest.issuperset(one.names)
        ):
            groups.append(one.names)
    ok: dict[Group, Registration] = {}
    left: list[Registration] = []
    for one in present:
        if one.as_wanted and one.names in groups and one.names not in ok:
            ok[one.names] = one
        else:
            left.append(one)
    missing, changed = [], dict[Group, Registration]()
    for group in groups:
        if group not in ok:
            near = _nearest(group, left) if together else None
            if near is None:
                missing.append(group)
            else:
                changed[group] = near
                left.remove(near)
    old = [(one, _OF[state]) for one in found if (state := whose.whose(one.url)) in (Whose.OLD, Whose.MOVED)]
    return Standing(
        tuple(groups),
        ok,
        tuple(missing),
        changed,
        (*((one, State.DUPLICATE) for one in left), *old),
        tuple(one for one in found if whose.whose(one.url) is Whose.ELSEWHERE),
        sum(whose.whose(one.url) is Whose.FOREIGN for one in found),
        refused,
        tuple(idle),
    )


def _groups(names: Sequence[str], present: Sequence[Registration], *, together: bool, singly: bool) -> list[Group]:
    each: list[Group] = [(name,) for name in names]
    if not together or singly or not names:
        return each
    right = {one.names for one in present if one.as_wanted}
    # One for each is as good, where somebody made it so.
    return each if tuple(names) not in right and right.issuperset(each) else [tuple(names)]


def _nearest(group: Group, left: Sequence[Registration]) -> Registration | None:
    """Return the one that has most in common with a group: the oldest of several."""
    return max((one for one in left if one.id), key=lambda one: len(set(one.names) & set(group)), default=None)


def rows_of(system: str, standing: Standing, whose: Recognizer, *, url: str, shown: str) -> list[Row]:
    """Return the rows of one system: the wanted ones in their order, then what is there besides.

    Args:
        url, shown: the present URL, whole and without its token.
    """

    def there(one: Registration, state: State) -> Row:
        return Row(system, "+".join(one.names), state, one.id or None, whose.shown(one.url), one.url)

    rows = []
    for group in standing.groups:
        if group in standing.ok:
            rows.append(there(standing.ok[group], State.OK))
        elif group in standing.changed:
            rows.append(there(standing.changed[group], State.CHANGED))
        else:
            rows.append(Row(system, "+".join(group), State.MISSING, None, shown, url))
    rows += [Row(system, name, State.REFUSED, None, shown, url) for name in standing.refused]
    rows += [there(one, state) for one, state in standing.surplus]
    return rows + [there(one, State.ELSEWHERE) for one in standing.elsewhere]
