"""What a site's developer is answered (audience.md 4.4; routes.md R10, R11, R30)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path

from vs_st_pipeline_tests.support.receiving import receiving, url

KEY = "a key that only the site and we know"
SITE = {
    "id": "hillside", "name": "Hillside", "shop": {},
    "waymore": {"domain": "https://www.hillside.example", "username": "env:NO_U", "password": "env:NO_P"},
}  # fmt: skip
SIGNED = {"header": "X-Shop-Signature", "prefix": "sha256=", "timestamp_header": "X-Shop-Timestamp"}
POST = {"event": "Search", "id": "s1", "data": {"search_string": "red"}}


def test_a_site_is_told_what_was_stored_and_what_was_wrong(tmp_path: Path) -> None:
    """R11: 200 {"stored": n}, 400 with the index and nothing stored, 413, 404; the same id is one entry."""
    with receiving(tmp_path, [SITE]) as site:
        path = url("hillside", "shop")
        answer = site.call(path, json.dumps([POST, POST | {"id": "s2"}]).encode())
        assert (answer.status, json.loads(answer.body)) == (200, {"stored": 2})
        assert site.call(path, json.dumps(POST).encode()).status == 200
        wrong = site.call(path, json.dumps([POST | {"id": "s3"}, {"event": "Uninstall", "data": {}}]).encode())
        assert (wrong.status, json.loads(wrong.body)) == (400, {"index": 1})
        assert site.call(path, b"[").status == 400
        assert site.call(path, json.dumps([POST] * 501).encode()).status == 413
        assert site.call(url("nobody", "shop"), json.dumps(POST).encode()).status == 404
        assert [row["post"]["id"] for row in site.kept("hillside")] == ["s1", "s2"]


def test_a_signed_post_is_stored_as_such_and_any_other_is_no_url(tmp_path: Path) -> None:
    """R10: HMAC of the timestamp, a dot and the body; wrong is 404; that it was signed is kept, for consents."""
    (tmp_path / "key").write_text(KEY)
    signature = SIGNED | {"secret": f"file:{tmp_path / 'key'}"}
    entry = SITE | {"webhooks": {"shop": {"signature": signature}}}
    body, now = json.dumps(POST).encode(), str(int(time.time()))
    found = hmac.new(KEY.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    with receiving(tmp_path, [entry]) as site:
        path = url("hillside", "shop")
        assert site.call(path, body).status == 404
        assert site.call(path, body, X_Shop_Timestamp=now, X_Shop_Signature="sha256=" + "0" * 64).status == 404
        assert site.call(path, body, X_Shop_Timestamp=now, X_Shop_Signature=f"sha256={found}").status == 200
        assert [row["signed"] for row in site.kept("hillside")] == [True]


def test_a_signed_post_that_is_too_long_is_told_so_and_any_other_is_no_url(tmp_path: Path) -> None:
    """4.4, R10, R11, H3, H7: 413 over 1 MiB to who has signed it; nobody else learns that there is such a URL."""
    (tmp_path / "key").write_text(KEY)
    signature = SIGNED | {"secret": f"file:{tmp_path / 'key'}"}
    entry = SITE | {"webhooks": {"shop": {"signature": signature}}}
    with receiving(tmp_path, [entry]) as site:
        path, now = url("hillside", "shop"), str(int(time.time()))
        for body, status in ((b" " * 1_048_574 + b"{}", 400), (b"x" * 1_048_577, 413)):
            found = hmac.new(KEY.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
            assert site.call(path, body, X_Shop_Timestamp=now, X_Shop_Signature=f"sha256={found}").status == status
        body = b"x" * 1_048_577
        assert site.call(path, body, X_Shop_Timestamp=now, X_Shop_Signature="sha256=" + "0" * 64).status == 404
        assert site.kept("hillside") == []
