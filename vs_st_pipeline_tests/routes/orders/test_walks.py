"""Any sequence of answers, losses, power cuts, edits and commands: an order is accepted at most once (6 of orders.md).

`python -m vs_st_pipeline_tests.routes.orders.test_walks 1 500` walks with these seeds, and stops where one fails.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Problem
from vs_st_pipeline.routes.orders import acting, ledger, outbox
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.dispatch import VIOLATION, Dispatch, PowerCut, power
from vs_st_pipeline_tests.routes.orders.test_sending import bought

SAMPLE = 2  # cases of each test in `make test`; the others count as pytest.mark.slow

VIOLATED = (Problem("CLOSED", "no wine there", VIOLATION),)
DOWN = TryLater("down", system="vinoshipper", call="order", http_status=500)
ANSWERS = ("done", "lost_before", "lost_after", "not_reached", "hollow", "auth")
SWITCHES = {
    "status_after_create": ("SUCCESS", "SUCCESS", "PENDING", "PAYMENT_AUTHORIZED", "AWAITING_REVIEW"),
    "problem_answer": ("200_pending", "400_compliance"),
    "duplicate_number": ("400_conflict", "returns_existing", "second_order"),
    "put_accepted": ("400", "updates", "ignored"),
    "meta_fields": ("echoed", "dropped"),
    "unknown_keys": ((), (), ("sourceUrl", "isPaid"), ("metaFields",)),
    "late_commit": (False, False, True),
    "second_cancel": ("400", "second_negative", "ok"),
    "cancel_late": (False, True),
}


class Walk:
    """One order's life, as chance has it; `told`: what happened, for who looks at one that went wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.one = Dispatch(folder, slot=3)
        self.told: list[str] = []
        for name, values in SWITCHES.items():
            setattr(self.one.shipper, name, self.chance.choice(values))
        if self.chance.random() < 0.3:
            self.one.settings["also_look_for"] = "plain"
        if self.chance.random() < 0.4:
            self.one.shipper.trouble["HILLSIDE-1001"] = ("PENDING", VIOLATED)
        self.one.add()
        self.copy: dict[str, list[tuple[object, ...]]] | None = None
        self.edits = 0
        self.standing: tuple[str, str | None] | None = None

    # --- what may happen ---

    def sync(self) -> None:
        self._try(self.one.sync)

    def sync_through_a_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with power(f"any:{self.chance.randint(1, 40)}", monkeypatch):
            try:
                self._try(self.one.sync)
            except PowerCut:
                self.told.append("  cut")

    def later(self) -> None:
        self.one.later(minutes=self.chance.choice((1, 4, 11, 65, 800)))

    def bad_answer(self) -> None:
        self.one.shipper.next.append(self.chance.choice(ANSWERS))

    def bad_read(self) -> None:
        self.one.shipper.next_reads = [self.chance.choice((None, DOWN)) for _ in range(2)]

    def edit(self) -> None:
        self.edits += 1
        self.one.shop.orders["a1"] |= {
            "giftMessage": f"Cheers {self.edits}", "updatedAt": f"2026-12-01T20:{self.edits:02}:00.000Z",
        }  # fmt: skip

    def mend(self) -> None:
        self.one.shipper.trouble.clear()

    def accept_there(self) -> None:
        for number, held in self._ours():
            if held.status != "SUCCESS" and number not in self.one.shipper.veils:
                self.one.shipper.change(
                    number, status="SUCCESS", problems=(), order_status="OPEN", compliance=Compliance.COMPLIANT
                )

    def go_on_there(self) -> None:
        for number, held in self._ours():
            if held.status == "SUCCESS" and held.order_status in ("OPEN", "LABELS_GENERATED"):
                self.one.shipper.change(
                    number, order_status="SHIPPED" if held.order_status != "OPEN" else "LABELS_GENERATED"
                )

    def void(self) -> None:
        if "a1" in self._known():
            self._try(self.one.void)

    def person_sends(self) -> None:
        if "a1" in self._known():
            self._try(lambda: self.one.send(who="cli:ada"))

    def keep_back(self) -> None:
        with self.one.db() as db:
            row = ledger.find(db, ["a1"]).get("a1")
            if row is None or row.state not in (State.FAILED, State.WAITING) or outbox.open_writes(db, outbox.MAKING):
                return
        acting._dont_send(self.one.session(), "a1")

    def rename(self) -> None:
        self.one.settings["number_prefix"] = self.chance.choice(("HILLSIDE", "OTHER"))

    def take_copy(self) -> None:
        self.copy = self.one.copy()

    def put_back(self) -> None:
        if self.copy is not None:
            self.one.put_back(self.copy)
            self.standing = None

    def lose(self) -> None:
        self.one.lose_file()
        self.standing = None

    # --- the walk ---

    def walk(self, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        acts: list[Callable[[], None]] = [
            *[self.sync] * 4, self.later, self.later, self.bad_answer, self.bad_answer, self.bad_read, self.edit,
            self.mend, self.accept_there, self.go_on_there, self.void, self.person_sends, self.keep_back, self.rename,
            self.take_copy, self.put_back, self.lose, *[lambda: self.sync_through_a_cut(monkeypatch)] * 3,
        ]  # fmt: skip
        for _ in range(steps):
            act = self.chance.choice(acts)
            self.told.append(getattr(act, "__name__", "cut"))
            act()
            self.judge()
        self.one.shipper.next.clear()
        self.one.shipper.next_reads.clear()
        for _ in range(5):
            self.one.later(minutes=11)
            self._try(self.one.sync)
            self.judge()
        assert all(outcome is not None for _, outcome in self.one.outcomes()), "settled"

    def judge(self) -> None:
        shipper = self.one.shipper
        made = [number for number, order_id in shipper._sent_meta.items() if order_id == "a1" or number == order_id]
        assert len(made) <= 1, f"made as {made}"
        assert len(shipper.accepted.get("a1", [])) <= 1
        assert shipper.findings == []
        assert all(count <= 1 for count in shipper.cancels.values())
        with self.one.db() as db:
            rows = ledger.find(db, ["a1"])
        if (row := rows.get("a1")) is None:
            return
        if self.standing is not None and self.standing[0] == "voided":
            assert row.state is State.VOIDED
        if self.standing is not None and self.standing[0] == "sent":
            assert row.state in (State.SENT, State.VOIDED)
        if row.state is State.SENT and row.vs_number is not None:
            assert row.vs_number in shipper.held
        self.standing = (str(row.state), row.code)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except PipelineError as error:
            self.told.append(f"  {error.kind}")

    def _ours(self) -> list[tuple[str, HeldOrder]]:
        return [(number, self.one.shipper.held[number]) for number in self.one.shipper._sent_meta]

    def _known(self) -> set[str]:
        with self.one.db() as db:
            return set(ledger.find(db, ["a1"]))


def walk(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch, steps: int = 25) -> None:
    one = Walk(folder, seed)
    try:
        one.walk(monkeypatch, steps)
    except Exception as error:
        shown = {name: getattr(one.one.shipper, name) for name in SWITCHES}
        raise AssertionError(f"seed {seed} ({shown}): {one.told}") from error


@pytest.mark.parametrize("seed", range(4))
def test_o6_whatever_happens_an_order_is_accepted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    walk(tmp_path, seed, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("share", range(10))
def test_o6_whatever_happens_an_order_is_accepted_once_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    for seed in range(100 + share, 400, 10):
        walk(tmp_path / str(seed), seed, monkeypatch)


def test_o6_a_foreign_order_is_never_touched_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Walk(tmp_path, 7)
    one.one.shipper.held["HILLSIDE-1001"] = foreign = bought(one.one)
    one.one.settings.clear()
    for act in (one.sync, one.edit, one.sync, one.lose, one.sync, one.later, one.person_sends, one.void, one.sync):
        act()
    assert one.one.shipper.writes() == []
    assert one.one.shipper.held == {"HILLSIDE-1001": foreign}


if __name__ == "__main__":
    first, last = (int(one) for one in sys.argv[1:3])
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as made:
            walk(Path(made), seed, pytest.MonkeyPatch())
    print(f"{last - first} walks")
