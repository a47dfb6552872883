"""H43: what a row costs, counted where it is asked: 14 requests each at most, and none once it is complete."""

from __future__ import annotations

from vs_st_pipeline_tests.operations.onboarding.agency import Agency, states
from vs_st_pipeline_tests.support.story import OTHER, TEST

MOST = 14


def test_h43_a_good_row_without_a_plan_takes_14_requests_at_most(agency: Agency) -> None:
    secret = agency.folder / "hook_secret"
    secret.write_text("s" * 43)
    secret.chmod(0o600)
    agency.environ |= {"VS_ST_PUBLIC_URL": "http://127.0.0.1:8088", "VS_ST_HOOK_SECRET": f"file:{secret}"}
    rows = [agency.row(TEST), agency.row(OTHER)]
    agency.clear_journals()
    done = agency.onboard(*rows, options=["--enable", "--skip-fields"])
    for row in (done.of(TEST), done.of(OTHER)):
        assert row["status"] == "complete", row
        assert states(row)["webhooks"] == "done"
        assert sum(row["calls"].values()) <= MOST, row["calls"]
    told = {system: sum(row["calls"][system] for row in done.json["merchants"]) for system in agency.requests()}
    assert told == agency.requests(), "every request is counted"

    agency.clear_journals()
    agency.lose_process()
    again = agency.onboard(*rows, options=["--enable", "--skip-fields"])
    assert [row["status"] for row in again.json["merchants"]] == ["complete", "complete"]
    assert agency.requests() == {"vinoshipper": 0, "simpletexting": 0}
