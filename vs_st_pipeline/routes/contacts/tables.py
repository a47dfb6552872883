"""Makes small tables of this route for people: what changed, what is held back, what could not be used."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.pipeline.tables import Frame, read_table
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.keys import KEY

# Shown as they are; any other field that a merchant's own map writes could describe a person, and is masked.
PLAIN_FIELDS = frozenset(
    {
        *(
            "VScustomerID",
            "State",
            "Source",
            "Club Name",
            "Club Status",
            "Signup Date",
            "Order Count",
            "Lifetime Value",
        ),
        *("Last Order Date", "VS Last Order Number", "Order Status", "Payment Status", "Channel", "Delivery Method"),
        *("Order Total", "Shipped Date", "Delivered Date", "Receipt URL"),
    }
)


def planned_changes(run: Run, *, limit: int = 20, masked: bool = True) -> Frame:
    """Return field by field what the last plan changes: contact, phone, field, old, new, policy."""
    return _table(
        run,
        f"""select c.id as contact_id, p.phone, c.field, c.old, c.new, c.policy
            from planned.changes as c join planned.targets as p using ({KEY})
            order by c.id, c.position limit ?""",
        [limit],
        masked,
    )


def accepted_changes(run: Run, run_id: str, *, limit: int = 20, masked: bool = True) -> Frame:
    """Return value by value what SimpleTexting accepted in one run."""
    return _table(
        run,
        f"""select h.id as contact_id, p.phone, h.field, h.old, h.new, h.call
            from synced.history as h left join planned.targets as p using ({KEY})
            where h.run_id = ? and h.event = 'accepted' order by h.id, h.field limit ?""",
        [run_id, limit],
        masked,
    )


def held_contacts(run: Run, *, limit: int = 20, masked: bool = True) -> Frame:
    """Return the contacts that the last plan holds back, and why."""
    return _table(
        run,
        """select id as contact_id, phone, held as reason from planned.targets where held is not null
           order by row_number() over (partition by held order by id), held limit ?""",
        [limit],
        masked,
    )


def noted_contacts(run: Run, *, limit: int = 20, masked: bool = True) -> Frame:
    """Return contacts that are written in spite of a note, or left for now, and the note."""
    return _table(
        run,
        f"""select n.id as contact_id, p.phone, n.note as reason
            from planned.notes as n join planned.targets as p using ({KEY})
            order by n.note, n.id limit ?""",
        [limit],
        masked,
    )


def rejected_contacts(run: Run, *, limit: int = 20, masked: bool = True) -> Frame:
    """Return the contacts that SimpleTexting refused, the longest waiting first.

    The columns say why, since when, what to do, and what happens next.
    """
    table = _table(
        run,
        f"""select r.id as contact_id, p.phone, r.code, r.http_status, r.attempts, r.first_at, r.next_at
            from synced.rejects as r left join planned.targets as p using ({KEY})
            order by r.first_at, r.id limit ?""",
        [limit],
        masked,
    )
    now = run.now()
    table.insert(4, "for", [humanize(now - first_at) for first_at in table["first_at"]])
    return _explained(table)


def _explained(table: Frame) -> Frame:
    """Add what the codes of a table mean, what to do, and what happens next."""
    meanings = [describe_code(code if isinstance(code, str) else None) for code in table["code"]]
    table["means"] = [meaning.means for meaning in meanings]
    table["do"] = [meaning.do for meaning in meanings]
    table["then"] = [meaning.next_step for meaning in meanings]
    return table


def rejected_codes(run: Run, *, limit: int = 20) -> Frame:
    """Return the codes with which SimpleTexting refused contacts, the most frequent first: how many, what to do."""
    table = _table(
        run,
        "select code, count(*) as contacts from synced.rejects group by 1 order by 2 desc, 1 limit ?",
        [limit],
        True,
    )
    return _explained(table)


def unusable_records(run: Run, *, limit: int = 20) -> Frame:
    """Return records that could not be used as they are, and why."""
    return _table(run, "select kind, id, reason from staged.unusable order by kind, id limit ?", [limit], True)


def _table(run: Run, sql: str, params: list[Any], masked: bool) -> Frame:
    return read_table(run, sql, params, mask_value if masked else None)


def mask_value(field: str, value: str) -> str:
    """Return a value as anybody may see it: e-mails and what describes a person are masked, the rest is unchanged."""
    if not value:
        return ""
    if "@" in value:
        return mask_email(value)
    if field in ("Tracking Number", "Tracking URL"):
        return f"***{value[-4:]}"
    return value if field in PLAIN_FIELDS else f"{value[0]}***"
