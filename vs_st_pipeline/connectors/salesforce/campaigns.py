"""Reads campaigns: whether they are there, and take people in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vs_st_pipeline.connectors.salesforce.asking import Asking
from vs_st_pipeline.connectors.salesforce.client import Row, SalesforceClient
from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.names import SALESFORCE
from vs_st_pipeline.connectors.salesforce.soql import Query, Unit
from vs_st_pipeline.domain.crm import Target, TargetInfo
from vs_st_pipeline.domain.errors import BadAnswer, Refused

_HIDDEN = ("INVALID_TYPE", "INVALID_FIELD")  # the object, or a field of it, is not shown to the app's user


def read_targets(client: SalesforceClient, targets: Collection[Target]) -> Mapping[Target, TargetInfo]:
    """Return what the org says of these campaigns.

    Raises:
        BadAnswer: an answer that cannot be believed.
    """
    ids = {id: target.id for target in targets if (id := core(target.id)) is not None}
    try:
        rows = _rows(client, ids)
    except Refused as error:
        if error.code not in _HIDDEN:
            raise
        hidden = TargetInfo(missing="campaigns cannot be seen by the user that the app runs as")
        return dict.fromkeys(targets, hidden)
    return {target: _info(target, rows) for target in targets}


def _rows(client: SalesforceClient, ids: Mapping[str, str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    units = [Unit(id, {"Id": (written,)}) for id, written in ids.items()]
    query = Query("Campaign", ("Id", "Name", "IsActive"))
    for _, rows in Asking(client, composite=False).read("find_campaigns", query, units) if units else ():
        if rows is None or not all(isinstance(row["IsActive"], bool) for row in rows):
            raise BadAnswer(
                "the answer to which campaigns there are cannot be believed", system=SALESFORCE, call="find_campaigns"
            )
        found |= {core(row["Id"]) or "": row for row in rows}
    return found


def _info(target: Target, rows: Mapping[str, Row]) -> TargetInfo:
    id = core(target.id)
    if id is None:
        return TargetInfo(missing="this is no id of a campaign; one has 15 or 18 letters and digits")
    row = rows.get(id)
    if row is None:
        return TargetInfo(missing="there is no such campaign, or it cannot be seen by the user that the app runs as")
    name = row["Name"] if isinstance(row["Name"], str) else ""
    return TargetInfo(missing=None if row["IsActive"] else "the campaign is not active", name=name)
