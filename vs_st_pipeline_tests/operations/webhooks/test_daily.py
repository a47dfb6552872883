"""Once a day somebody looks at what is registered, and nothing is repaired unasked (H39)."""

from __future__ import annotations

import os
import time

from vs_st_pipeline.operations.webhooks.daily import DAY, DailyLooks
from vs_st_pipeline_tests.operations.webhooks.conftest import Hooked

SHOP = "vinoshipper"


def test_h39_a_merchant_is_looked_at_once_a_day(hooked: Hooked) -> None:
    environ = {**os.environ, **{name: value for name, value in hooked.story.environment().items() if value is not None}}
    run = hooked.story.as_run()
    looks, now = DailyLooks(hooked.story.data), time.time()
    assert looks.due([run.merchant], {}, now + DAY) == []
    looks.due([run.merchant], environ, now)
    (due,) = looks.due([run.merchant], environ, now + 3601)  # the first look is spread over an hour
    assert due.id == run.merchant.id
    looks.look(run, environ, now + 3601)
    assert hooked.asked(SHOP) == "G"
    assert {hook["state"] for one in hooked.seen()["systems"].values() for hook in one["hooks"]} == {"missing"}
    assert hooked.there(SHOP) == []
    assert looks.due([run.merchant], environ, now + 3601 + DAY / 2) == []
    assert looks.due([run.merchant], environ, now + 3602 + DAY) == [run.merchant]
    # another process, or the next start, knows it from the file
    assert DailyLooks(hooked.story.data).due([run.merchant], environ, time.time() + DAY / 2) == []
