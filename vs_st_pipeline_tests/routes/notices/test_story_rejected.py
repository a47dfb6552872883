"""A message that was refused for good, by the real command: told, released by a person, billed once (7.3, 7.7, R29)."""

from __future__ import annotations

from vs_st_pipeline_tests.support.notices import MITTI_HOME, Scene, phone_of


def test_7_3_a_rejected_message_goes_only_when_a_person_says_so_and_is_billed_once(alone: Scene) -> None:
    scene = alone
    scene.merchant = MITTI_HOME
    scene.based()
    order = scene.order()
    scene.failed(order)
    scene.gupshup.set_fault("400", count=1, path_regex="template/msg")
    report = scene.sync()
    assert (report["status"], report["synced"]["rejected"]) == ("partial", 1)
    report = scene.synced()
    assert (report["planned"]["messages"], report["synced"]["rejected"]) == (0, 0)
    assert scene.sends() == []

    [row] = scene.rows("select notice_id from synced.notices")
    asked = ["retry", "--route", "notices", "--merchant", scene.merchant, row["notice_id"]]
    shown = scene.run(*asked, input="n\n")
    assert "1 rejected message is judged again" in shown.out + shown.err
    assert scene.sends() == []
    done = scene.run(*asked, "--yes")
    assert done.exit_code == 0, done
    assert len(scene.sends(to=phone_of(order))) == 1
    assert scene.stand(order)[0][1:] == ("accepted", None)

    told = scene.notices("billing", "--month", f"{scene.now:%Y-%m}", "--rows", "--json").json
    [bill] = told["bills"]
    assert (bill["messages"], bill["charged"], bill["failed"], bill["final"]) == (1, 1, 0, False)
    assert [one["order"] for one in bill["rows"]] == [order["customerOrderNumber"]]
    assert scene.wrong() == []
