"""Data-quality checks: for each stop what a person should know of, as a number, its share, what it means and what to do.

Data flow: a merchant's stored tables -> Measure -> one result per check and run.

A result covers all merchants of its run: it fails if it fails for any of them, and its table names them. One result per
merchant would need partitioned checks, which are a preview in Dagster 1.13 and would add an event per check and merchant
to every run; so a run for one merchant shows that merchant only, and the scheduled run shows the whole fleet.
Blocking checks fail the run. What keeps a bad plan from being pushed is the pipeline's own brake, in whatever way it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dagster import AssetCheckKey, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey

from vs_st_pipeline import brake, planning
from vs_st_pipeline.change import AGE_UNKNOWN, AMBIGUOUS_PHONE
from vs_st_pipeline.defs.metadata import table
from vs_st_pipeline.destinations.simpletexting.contacts import read_custom_fields
from vs_st_pipeline.field_map import resolve
from vs_st_pipeline.run import Run
from vs_st_pipeline.standing import read_standing
from vs_st_pipeline.warehouse import Db

MOST_MERCHANTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Measure:
    """One merchant's finding: so many of so many, and in words what they are where a number does not say it."""

    count: int
    of: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What is measured, and from when on a person should look.

    Attributes:
        asset: the asset's key. name: the check's name: what holds if it passes.
        counted: what the number counts.
        means: what a failure means and what to do, in plain sentences.
        percent: more than this share of a merchant's rows fails the check.
        blocking: an error that fails the run; the others are warnings.
    """

    asset: str
    name: str
    counted: str
    means: str
    find: Callable[[Run, Db], Measure]
    percent: int = 0
    blocking: bool = False

    @property
    def key(self) -> AssetCheckKey:
        return AssetCheckKey(AssetKey(self.asset.split("/")), self.name)

    def fails(self, found: Measure) -> bool:
        return found.count * 100 > found.of * self.percent

    def spec(self) -> AssetCheckSpec:
        limit = f"Fails above {self.percent} %. " if self.percent else "Fails if there is any. "
        return AssetCheckSpec(
            self.name,
            asset=self.key.asset_key,
            description=f"Counts {self.counted}. {limit}{self.means}",
            blocking=self.blocking,
        )


def measure(run: Run, checks: Iterable[Check]) -> dict[Check, Measure]:
    """These checks for one merchant, from what is stored; a merchant of whom nothing is stored has nothing to check."""
    if not run.warehouse.file(run.merchant.id).exists():
        return {}
    with run.open() as db:
        return {check: check.find(run, db) for check in checks}


def results(
    checks: Iterable[Check], measured: Mapping[str, Mapping[Check, Measure]], *, allow_unsafe: bool
) -> Iterator[AssetCheckResult]:
    """One result per check over all merchants for whom it was measured; none where it was measured for nobody."""
    for check in checks:
        found = {merchant: of[check] for merchant, of in sorted(measured.items()) if check in of}
        if found:
            yield _result(check, found, allow_unsafe)


def _result(check: Check, found: Mapping[str, Measure], allow_unsafe: bool) -> AssetCheckResult:
    bad = [merchant for merchant, one in found.items() if check.fails(one)]
    count, of = sum(one.count for one in found.values()), sum(one.of for one in found.values())
    shown = sorted(found, key=lambda merchant: (merchant not in bad, merchant))[:MOST_MERCHANTS_SHOWN]
    rows = [
        {
            "merchant": merchant,
            "result": "look at this" if merchant in bad else "fine",
            "number": found[merchant].count,
            "of": found[merchant].of,
            "share": _share(found[merchant].count, found[merchant].of),
            "detail": found[merchant].detail,
        }
        for merchant in shown
    ]
    named = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    told = f"{count} of {of} ({_share(count, of)}): {check.counted}."
    return AssetCheckResult(
        passed=not bad,
        asset_key=check.key.asset_key,
        check_name=check.name,
        # Whoever allowed it by name has seen it: it is told, but does not fail his run.
        severity=AssetCheckSeverity.ERROR if check.blocking and not allow_unsafe else AssetCheckSeverity.WARN,
        description=f"{told} Look at {named}: {check.means}" if bad else told,
        metadata={
            "number": count,
            "of": of,
            "share": _share(count, of),
            "merchants checked": len(found),
            "merchants to look at": len(bad),
            "by merchant": table(rows),
        },
    )


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else "-"


# --- what is measured -----------------------------------------------------------------------------------------------


def _share_of(table_name: str, condition: str, among: str = "true") -> Callable[[Run, Db], Measure]:
    sql = f"select count(*) filter ({condition}), count(*) from {table_name} where {among}"

    def find(run: Run, db: Db) -> Measure:
        row = db.row(sql) or (0, 0)
        return Measure(int(row[0]), int(row[1]))

    return find


def _missing_rows(what: str) -> Callable[[Run, Db], Measure]:
    def find(run: Run, db: Db) -> Measure:
        now = db.value("select rows from raw.reads where what = ?", [what])
        before = db.value("select rows from synced.baseline where what = ?", [what])
        synced = int(db.value("select count(distinct contact_id) from synced.ledger"))
        if now is None or before is None or synced < brake.FEWEST:
            return Measure(0, int(before or now or 0), "nothing to compare with yet")
        return Measure(max(0, before - now), before, f"{now} rows now, {before} at the last sync")

    return find


def _empty_read(what: str) -> Callable[[Run, Db], Measure]:
    def find(run: Run, db: Db) -> Measure:
        rows = db.value("select rows from raw.reads where what = ?", [what])
        return Measure(int(rows == 0), 1, "not read completely yet" if rows is None else f"{rows} rows")

    return find


def _brake_tripped(run: Run, db: Db) -> Measure:
    refused = db.value("select unsafe from planned.plan")
    return Measure(int(bool(refused)), 1, refused or "")


def _missing_custom_fields(run: Run, db: Db) -> Measure:
    field_map = planning.load_field_map(run.merchant)
    missing = [field.to for field in resolve(field_map, read_custom_fields(db)).missing]
    return Measure(len(missing), len(field_map.fields), ", ".join(missing))


def _of_linked(reason: str) -> Callable[[Run, Db], Measure]:
    """Linked contacts that are held or noted for one reason."""

    def find(run: Run, db: Db) -> Measure:
        row = db.row(
            """select count(*) filter (held = $reason or contact_id in
                   (select contact_id from planned.notes where note = $reason)), count(*)
               from planned.contacts where customer_id is not null""",
            {"reason": reason},
        ) or (0, 0)
        return Measure(int(row[0]), int(row[1]))

    return find


def _held(run: Run, db: Db) -> Measure:
    reasons = db.rows("select held, count(*) from planned.contacts where held is not null group by 1 order by 1")
    linked = db.value("select count(*) from planned.contacts where customer_id is not null")
    return Measure(sum(row[1] for row in reasons), int(linked), ", ".join(f"{row[0]} {row[1]}" for row in reasons))


def _rejected(run: Run, db: Db) -> Measure:
    codes = db.rows("select coalesce(code, 'no code'), count(*) from synced.rejects group by 1 order by 1")
    written = db.value(
        "select count(*) from (select contact_id from synced.ledger union select contact_id from synced.rejects)"
    )
    return Measure(sum(row[1] for row in codes), int(written), ", ".join(f"{row[0]} {row[1]}" for row in codes))


def _unknown(run: Run, db: Db) -> Measure:
    synced = read_standing(run.warehouse.data_dir, run.merchant.id).get("last_run", {}).get("synced", {})
    return Measure(int(synced.get("unknown", 0)), sum(int(value) for value in synced.values()))


_CONTACTS, _CUSTOMERS, _ORDERS = "raw/simpletexting/contacts", "raw/vinoshipper/customers", "raw/vinoshipper/orders"
_PLANNED, _SYNCED = "planned/simpletexting/contacts", "synced/simpletexting/contacts"
_SHRUNK = (
    "The last complete read lost over a fifth of its rows: a filter, a half answer, or somebody deleted many. Nothing is "
    "written for this merchant until it is clear; if it is right, run once with allow_unsafe."
)

CHECKS = (
    Check(
        _CONTACTS, "has_rows", "complete reads that came back empty",
        "SimpleTexting says that the account has no contacts: is it the right account's token?", _empty_read("contacts"),
    ),
    Check(
        _CONTACTS, "has_not_shrunk", "contacts fewer than at the last sync", _SHRUNK, _missing_rows("contacts"),
        percent=100 - brake.SHRUNK_BELOW, blocking=True,
    ),
    Check(
        _CUSTOMERS, "has_rows", "complete reads that came back empty",
        "Vinoshipper says that the shop has no customers: is it the right shop's key?", _empty_read("customers"),
    ),
    Check(
        _CUSTOMERS, "has_not_shrunk", "customers fewer than at the last sync", _SHRUNK, _missing_rows("customers"),
        percent=100 - brake.SHRUNK_BELOW, blocking=True,
    ),
    Check(
        _CUSTOMERS, "phones_are_usable", "customers whose phone is not a North American number",
        "Nobody can be matched by such a phone. Correct the phones at Vinoshipper.",
        _share_of(
            "raw.vinoshipper_customers",
            "phone is null",
            "deleted_at is null and trim(coalesce(json_extract_string(list_body, '$.primaryPhone.number'), '')) <> ''",
        ),
        percent=5,
    ),
    Check(
        _ORDERS, "receipts_are_readable", "receipts that could not be read",
        "The receipt link of these people is left as it is and asked for again; if it lasts, ask Vinoshipper.",
        _share_of("raw.vinoshipper_orders", "receipt_state = 'unreadable'", "receipt_state is not null"),
        percent=5,
    ),
    Check(
        "staged/customers", "birth_dates_are_known", "customers read in detail who have no birth date",
        "Whether they are of age is not known. Ask for it in the shop, or set require_age_evidence to hold them back.",
        _share_of("staged.customers", "birth_date is null", "has_detail"),
        percent=50,
    ),
    Check(
        "staged/orders", "orders_are_dated", "orders without a purchase date",
        "Such an order is never taken for the newest. Look at it in Vinoshipper.",
        _share_of("staged.orders", "purchased_at is null and status not in ('PENDING', 'DELETED')"),
    ),
    Check(
        _PLANNED, "brake_is_not_tripped", "plans that the brake refuses",
        "Many contacts would lose something, so nothing of this plan is written. Look at what changes; if it is right, "
        "run once with allow_unsafe.",
        _brake_tripped, blocking=True,
    ),
    Check(
        _PLANNED, "custom_fields_exist", "fields of the field map that the SimpleTexting account lacks",
        "These are left out, everything else is written. Add them at SimpleTexting, or take them out of the field map.",
        _missing_custom_fields,
    ),
    Check(
        _PLANNED, "somebody_is_matched", "contacts that are no customer of this shop",
        "Not one contact is a customer: the key and the token may belong to different wineries.",
        _share_of("planned.contacts", "customer_id is null"), percent=99,
    ),
    Check(
        _PLANNED, "phones_are_clear", "contacts whose phone several customers share",
        "The one with the newest order is taken, or none (on_ambiguous_phone). Correct the phones at Vinoshipper.",
        _of_linked(AMBIGUOUS_PHONE), percent=5,
    ),
    Check(
        _PLANNED, "ages_are_known", "linked contacts whose age is not known",
        "They are written unless require_age_evidence says otherwise. Ask for birth dates in the shop.",
        _of_linked(AGE_UNKNOWN), percent=25,
    ),
    Check(
        _PLANNED, "most_are_not_held", "linked contacts that are held back",
        "More than half may not be written. The detail says why: consent and age are theirs, the rest is in the settings.",
        _held, percent=50,
    ),
    Check(
        _SYNCED, "nothing_is_rejected", "contacts that SimpleTexting refuses",
        "They are tried again with growing gaps and never dropped. The codes say why; `vs-st why` shows one contact.",
        _rejected,
    ),
    Check(
        _SYNCED, "nothing_is_unknown", "contacts of which it is not known whether the write was taken",
        "The next sync reads them and settles it. If it lasts, SimpleTexting is in trouble.", _unknown,
    ),
)  # fmt: skip
