"""Makes small tables for people of what is stored; the only module that uses pandas.

Personal data is masked: these tables go to logs, to the Dagster UI and to terminals. Only `plan` and `why` show a phone
in full, and they ask for it explicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.platform.run import Run

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = "pd.DataFrame"


def read_table(
    run: Run, sql: str, params: Sequence[Any] = (), mask_value: Callable[[str, Any], str] | None = None
) -> Frame:
    """Return the rows of a query.

    Args:
        mask_value: field, value -> the value as anybody may see it, for the columns `old` and `new`; a column `phone`
            is then masked too. None for a person who asks for values in full.
    """
    import pandas as pd  # takes half a second to import: only when a person asks for a table

    with run.open() as db:
        names, rows = db.columns(sql, list(params))
    table = pd.DataFrame(rows, columns=names)
    if mask_value is not None:
        if "phone" in table:
            table["phone"] = [mask_phone(value) for value in table["phone"]]
        for column in ("old", "new"):
            if column in table:
                table[column] = [
                    mask_value(str(field), value) for field, value in zip(table["field"], table[column], strict=True)
                ]
    return table
