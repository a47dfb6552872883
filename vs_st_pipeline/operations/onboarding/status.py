"""Says how the onboarding of each merchant stands, by what is kept of it; calls nobody (`vs-st onboard status`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.onboarding.key_files import FOLDER
from vs_st_pipeline.operations.onboarding.memory import Content, onboarded, read_content
from vs_st_pipeline.operations.onboarding.rows import routes_of_row
from vs_st_pipeline.operations.onboarding.steps import ENTRY, SECRETS, steps_of
from vs_st_pipeline.operations.onboarding.table import Row
from vs_st_pipeline.operations.onboarding.walk import RowResult
from vs_st_pipeline.pipeline.onboarding import NOT_REACHED, WAITING, StepResult, failed
from vs_st_pipeline.platform.settings.merchants import ID_FORM, MerchantsFile, more_files


def onboarding_status(data_dir: Path, file: MerchantsFile, ids: Iterable[str] = ()) -> list[RowResult]:
    """Return how each merchant stands that an `onboarding.json` names, by id.

    Args:
        file: the merchants that there are.
        ids: only these; empty for all.
    """
    wanted = set(ids)
    return [_stands(id_, path, file) for id_, path in onboarded(data_dir) if not wanted or id_ in wanted]


def keys_without_entry(path: Path, file: MerchantsFile) -> list[str]:
    """Return the ids of those whose keys were given and kept, and whose entry was never written, by id.

    Nothing else is kept of them (H40), such as that a system refused the keys.

    Args:
        path: the merchants file or folder.
    """
    top = more_files(path.absolute()).parent / FOLDER
    try:
        ids = sorted(one.name for one in top.iterdir() if ID_FORM.fullmatch(one.name) and one.is_dir())
    except OSError:
        return []
    return [one for one in ids if file.get(one) is None and not file.bad_of(one)]


def _stands(merchant_id: str, path: Path, file: MerchantsFile) -> RowResult:
    merchant = file.get(merchant_id)
    steps = dict.fromkeys(steps_of(routes_of_row(Row(merchant_id), merchant)), StepResult(NOT_REACHED))
    try:
        content = read_content(path) or Content()
    except BadSettings as error:
        return RowResult(merchant_id, {**steps, SECRETS: failed(error)})
    if merchant is not None or file.bad_of(merchant_id):
        steps |= {one["step"]: StepResult(one["state"], one["says"], one["do"]) for one in content.steps}
    else:
        kept = {one["step"]: StepResult(one["state"], one["says"], one["do"]) for one in content.steps}
        before = list(steps)[: list(steps).index(ENTRY)]
        steps |= {name: kept.get(name, steps[name]) for name in before}
        steps[ENTRY] = StepResult(WAITING, "no entry stands", f"vs-st onboard --merchant {merchant_id}")
    return RowResult(merchant_id, steps, content.missing_fields, content.planned, again=True)
