"""Anything may happen in any order, found by Hypothesis: syncs, failures, crashes, and what people do meanwhile.

After every step what may never be is looked for; after an undisturbed sync everything must be as one from scratch has
it, which then finds nothing to write.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from proof.kills import LIES, TOLD
from proof.units import Figures, Opener, Proof, Unit
from proof.world import CITIES, CLUBS, ID_OF, LINNEA, MODES, WAITS, Finding, Happening, World, told
from vs_st_pipeline_tests.support.story import TEST, Record

SEEDS, EXAMPLES, STEPS = 40, 3, 30
SHORT_EXAMPLES, SHORT_STEPS = 3, 7

PHONES = st.sampled_from(sorted(ID_OF))
HAPPENINGS = st.one_of(
    st.tuples(st.just("order"), PHONES, st.sampled_from(("7.00", "70.00", "412.50"))),
    st.tuples(st.just("city"), PHONES, st.sampled_from(CITIES)),
    st.tuples(st.just("club"), PHONES, st.sampled_from(CLUBS)),
    st.tuples(st.just("edit"), PHONES, st.sampled_from(("city", "club_name", "firstName")), st.sampled_from(CITIES)),
    st.tuples(st.sampled_from(("leave clubs", "opt out", "opt in", "delete", "rejoin", "vanish")), PHONES),
    st.just(("join", LINNEA)),
)
FAULTS = ("reset", "slow", "500_empty", "truncated", "html_other", "wrong_shape", "401")


def _at(name: str, turn: int) -> Record:
    return {"kill_at": f"{name}:{turn}"}


# What a sync meets: nothing, a crash at a place, answers that fail, or answers that lie.
MET: st.SearchStrategy[tuple[str, Record]] = st.one_of(
    st.tuples(st.just("crash"), st.builds(_at, st.just("any"), st.integers(90, 190))),
    st.just(("sync", {})),
    st.tuples(
        st.just("crash"), st.builds(_at, st.sampled_from(("request", "answer", "committed")), st.integers(1, 35))
    ),
    st.tuples(
        st.just("fail"),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(FAULTS),
                "method": st.sampled_from(("GET", "PUT", "POST")),
                "skip": st.integers(0, 3),
                "count": st.sampled_from((1, 2, None)),
                "seconds": st.just(0.05),
                "when": st.sampled_from(("before", "after")),
            }
        ),
    ),
    st.tuples(
        st.just("lie"),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(LIES),
                "path_regex": st.sampled_from((*TOLD, "/contacts")),
                "skip": st.integers(0, 2),
                "count": st.sampled_from((1, 2, None)),
            }
        ),
    ),
)


@dataclass
class Steps(Figures):
    """What the steps came to."""

    steps: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"steps                         {self.steps.total()}: " + told(self.steps)
        yield "syncs ended                   " + told(self.ended)
        yield from super().lines()


def machine(world: World, figures: Steps) -> type[RuleBasedStateMachine]:
    """The machine for this world."""

    class Winery(RuleBasedStateMachine):
        mode = MODES[0]
        orders = 0
        lied = False  # some record may wait to be asked again
        new = False  # something has happened that no undisturbed sync has seen

        @initialize(mode=st.sampled_from(MODES), polls=st.sampled_from((0, 1, 3)))
        def begin(self, mode: str, polls: int) -> None:
            self.mode = mode
            world.begin(mode)
            world.box.simpletexting.control.set_switch("tasks_delay_polls", polls)

        # What a sync meets.

        def _sync(self, step: str, **how: object) -> str:
            ended = world.sync(self.mode, **how)
            outcome = "killed" if ended.killed else ended.kind or ended.status
            figures.steps[step] += 1
            figures.ended[outcome] += 1
            self.new = step in ("crash", "fail", "lie")
            if outcome == "internal":
                raise Finding(step, [str(ended)])
            return outcome

        @precondition(lambda self: self.new)
        @rule(met=MET)
        def sync(self, met: tuple[str, Record]) -> None:
            shop, texting = world.box.vinoshipper.control, world.box.simpletexting.control
            if met[0] == "fail":
                texting.set_switch("fault", met[1], TEST)
            if met[0] == "lie" and met[1]["path_regex"] == "/contacts":
                texting.set_switch("fault", {**met[1], "method": "GET"}, TEST)
            elif met[0] == "lie":
                shop.set_switch("fault", met[1], TEST)
            self._sync(met[0], **(met[1] if met[0] == "crash" else {}))
            shop.clear_faults(TEST)
            texting.clear_faults(TEST)
            self.lied = self.lied or met[0] == "lie"

        # What people do.

        @rule(what=HAPPENINGS)
        def happen(self, what: Happening) -> None:
            if what[0] == "order":
                self.orders += 1
                what = (*what[:2], f"NEW{self.orders}", what[2], world.box.now.isoformat(timespec="seconds"))
            world.happen(what)
            self.new = True
            figures.steps[what[0]] += 1

        # What must hold.

        @precondition(lambda self: self.new)
        @rule()
        def resume(self) -> None:
            world.box.simpletexting.control.clear_hooks()
            outcome = self._sync("resume", allow_unsafe=True)
            for waited in WAITS[1:] if self.lied else ():
                world.later += waited
                outcome = self._sync("resume after lies", allow_unsafe=True)
            self.lied = False
            if outcome != "ok":
                raise Finding("resume", [f"the undisturbed sync ended with {outcome}"])
            world.clear_journal()
            expected = world.apart(self.mode)
            wrong = world.settled(expected)
            wrong += [f"from scratch {phone} is written once more" for phone in world.written()]
            if wrong:
                raise Finding("resume", wrong)

        @invariant()
        def nothing_forbidden(self) -> None:
            if wrong := world.forbidden() + world.unlike_history():
                raise Finding("after a step", wrong)

    return Winery


def short(world: World) -> Steps:
    """A few steps, always the same."""
    how = settings(max_examples=SHORT_EXAMPLES, stateful_step_count=SHORT_STEPS, derandomize=True)
    return _run(world, how, shrink=False)


def _run(world: World, how: settings, *, shrink: bool, begin: int | None = None) -> Steps:
    figures, began = Steps(), time.monotonic()
    how = settings(
        how,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    made = machine(world, figures)
    run_state_machine_as_test(made if begin is None else seed(begin)(made), settings=how)
    figures.seconds = time.monotonic() - began
    return figures


def _unit(number: int) -> Unit:
    def run(opened: Opener) -> Figures:
        how = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True)
        return _run(opened(), how, shrink=True, begin=number)

    return Unit(f"seed {number}", run)


def units() -> list[Unit]:
    """Many runs of many steps, a few in each unit."""
    return [_unit(number) for number in range(SEEDS)]


PROOF = Proof("machine", Steps, units, routes=("contacts",))
