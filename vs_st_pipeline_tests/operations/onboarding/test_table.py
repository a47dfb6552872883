"""The table of `vs-st onboard --from`: what is taken, and what refuses it whole before anybody is called (9.1, R56)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.onboarding.rows import table_columns
from vs_st_pipeline.operations.onboarding.table import Row, read_table
from vs_st_pipeline_tests.operations.onboarding.agency import COLUMNS, Agency
from vs_st_pipeline_tests.support.story import TEST

CLEAR = "zq8-Swordfish-77"  # a key that must show nowhere


def read(folder: Path, name: str, text: str, mode: int = 0o600) -> list[Row]:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return read_table(path, table_columns())


def test_9_1_the_columns_are_exactly_these() -> None:
    assert table_columns().names == COLUMNS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", f"id,name,vs_api_key\r\nhill,Hill,{CLEAR}\r\n\r\ndale,,\r\n"),
        ("t.csv", f'\ufeffid, vs_api_key ,name\nhill,{CLEAR},"Hill"\ndale\n'),
        ("t.json", f'[{{"id": "hill", "name": "Hill", "vs_api_key": "{CLEAR}"}}, {{"id": "dale", "name": null}}]'),
        ("t.yaml", f"- {{id: hill, name: Hill, vs_api_key: {CLEAR}}}\n- id: dale\n  name:\n"),
        ("t.YAML", f"- id: hill\n  name: 'Hill'\n  vs_api_key: {CLEAR}\n- id: dale\n"),
    ],
)
def test_9_1_a_table_may_be_csv_json_or_yaml(tmp_path: Path, name: str, text: str) -> None:
    first, second = read(tmp_path, name, text)
    assert (first.merchant_id, dict(first.columns)) == ("hill", {"name": "Hill", "vs_api_key": CLEAR})
    assert (second.merchant_id, dict(second.columns)) == ("dale", {})
    assert CLEAR not in repr(first)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", f"id,{CLEAR}\nhill,x\n", "t.csv, line 1: column 2 is not known; known: id, name, "),
        ("t.csv", "id,nam\nhill,x\n", "column 2 is not known; did you mean name?"),
        ("t.csv", "id,sections\nhill,x\n", "column 2 is not known"),
        ("t.json", '[{"id": "hill", "vs_key": "x"}]', "t.json, row 1: column 2 is not known; did you mean vs_api_key?"),
        ("t.yaml", "- id: hill\n  enabled: true\n", "t.yaml, line 1: column 2 is not known"),
        ("t.csv", "id,name\nhill,a\ndale,b\nhill,c\n", "t.csv, line 4: id hill is that of t.csv, line 2 already"),
        ("t.json", '[{"id": "hill"}, {"id": "hill"}]', "t.json, row 2: id hill is that of t.json, row 1 already"),
        ("t.yaml", "- id: hill\n- id: hill\n", "t.yaml, line 2: id hill is that of t.yaml, line 1 already"),
        ("t.csv", "id,id\nhill,hill\n", "a column is here twice"),
        ("t.json", '[{"id": "a", "id": "b"}]', "a key is twice"),
        ("t.yaml", "- id: a\n  id: b\n", "is here twice"),
        ("t.csv", "name\nHill\n", "t.csv, line 2: this row has no id"),
        ("t.csv", "id\nHill\n", "an id is 1-63 of a-z"),
        ("t.csv", f"id,name\nhill,{CLEAR},x\n", "t.csv, line 2: more cells than the header has"),
        ("t.csv", f'id,name\nhill,"{CLEAR}\n', "this is not CSV"),
        ("t.csv", "", "no merchant is listed"),
        ("t.csv", "id,name\n", "no merchant is listed"),
        ("t.json", "[]", "no merchant is listed"),
        ("t.json", '{"id": "hill"}', "a table is a list"),
        ("t.json", '[{"id": "hill", "sections": {"a": ' + "9" * 5000 + "}}]", "a number that is too long"),
        ("t.json", '[{"id": "hill", "name": 7}]', "name is a text"),
        ("t.json", f'[{{"id": "{CLEAR}', "t.json, line 1: this is not JSON"),
        ("t.yaml", "id: hill\n", "expected a list"),
        ("t.yaml", "- {id: hill, sections: {a: !!python/name:os.system ''}}\n", "no plain YAML"),
        ("t.yaml", "- {id: hill, sections: {a: 2026-13-45}}\n", "no plain YAML"),
        ("t.yaml", "- hill\n", "expected a mapping"),
        ("t.yaml", f"- id: [{CLEAR}]\n", "expected a text"),
        ("t.json", '[{"id": "hill", "sections": {"enabled": true}}]', "sections cannot say enabled"),
        ("t.txt", "id\nhill\n", "a table of merchants is a file .csv, .json or .yaml"),
    ],
)
def test_9_1_what_cannot_be_meant_refuses_the_whole_table(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read(tmp_path, name, text)
    assert says in refused.value.message
    assert CLEAR not in refused.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_9_1_a_key_in_clear_only_where_its_owner_alone_can_read(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadSettings) as refused:
        read(tmp_path, "t.csv", f"id,st_api_token\nhill,{CLEAR}\n", mode)
    assert "t.csv, line 2: st_api_token holds a key" in refused.value.message
    assert CLEAR not in refused.value.message
    for reference in ("env:HILL_TOKEN", "file:keys/hill"):
        [row] = read(tmp_path, "t.csv", f"id,st_api_token\nhill,{reference}\n", mode)
        assert row.columns["st_api_token"] == reference
    assert read(tmp_path, "t.csv", f"id,st_api_token\nhill,{CLEAR}\n", 0o400)


def test_9_1_a_refused_table_is_exit_2_before_any_call(agency: Agency) -> None:
    agency.clear_journals()
    table = agency.table(agency.row(TEST), agency.row(TEST))
    done = agency.run("onboard", "--from", str(table), "--json")
    assert (done.exit_code, done.out) == (2, "")
    table = agency.table(agency.row(TEST), mode=0o644)
    assert agency.run("onboard", "--from", str(table), "--json").exit_code == 2
    assert agency.run("onboard", "--from", str(agency.folder / "none.csv"), "--json").exit_code == 2
    assert agency.run("onboard", "--json").exit_code == 2
    assert agency.run("onboard", "--merchant", "No", "--json").exit_code == 2
    assert agency.run("onboard", "--merchant", "other", "--from", str(table), "--json").exit_code == 2
    assert agency.run("onboard", "--merchant", TEST, "--accept", "all", "--json").exit_code == 2
    assert agency.requests() == {"vinoshipper": 0, "simpletexting": 0}
    assert sorted(path.name for path in agency.folder.iterdir()) == ["merchants.yaml", "wineries.csv"]


def test_9_1_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(BadSettings, match="not a regular file"):
        read_table(tmp_path / "t.csv", table_columns())
