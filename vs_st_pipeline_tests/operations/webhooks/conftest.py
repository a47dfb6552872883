"""A world with what webhooks need: a public URL and a secret."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.operations.merchant_files import MARK
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline_tests.support.story import TEST, Ran, Record, Story

SECRET = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://hooks.example.com"
SUBJECTS = ("ORDER", "CUSTOMER", "CLUB_MEMBERSHIP")
TRIGGERS = ("INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT", "CONTACT_PHONE_UPDATE")
ALL_OK = {**dict.fromkeys(SUBJECTS, "ok"), "+".join(TRIGGERS): "ok"}


class Hooked:
    """A story whose systems may call us."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.set(VS_ST_PUBLIC_URL=PUBLIC, VS_ST_HOOK_SECRET="env:HOOK_SECRET", HOOK_SECRET=SECRET)

    def set(self, **environ: str) -> None:
        self.story.more_environment.update(environ)

    def run(self, *arguments: str) -> Ran:
        return self.story.run(*arguments)

    def webhooks(self, command: str, *more: str, code: int = 0, merchant: str = TEST) -> Record:
        """Run a command of `vs-st webhooks` for one merchant; its object."""
        done = self.run("webhooks", command, "--merchant", merchant, "--json", *more)
        assert done.exit_code == code, done
        return done.of(merchant)

    @staticmethod
    def states(entry: Record) -> dict[str, str]:
        return {row["name"]: row["state"] for row in entry["hooks"]}

    @staticmethod
    def url(system: str, generation: int = 1, *, start: str = PUBLIC, secret: str = SECRET) -> str:
        return f"{start}/hooks/{system}/{make_token(secret, system, TEST, generation)}"

    def ask(self, system: str, method: str, path: str = "", body: Any = None) -> Any:
        """Ask a stand-in about webhooks, as its own page would."""
        box = self.story.box
        merchant = next(one for one in box.merchants if one.id == TEST)
        if system == "vinoshipper":
            url = f"{box.vinoshipper.url}/api/v3/p/profile/webhooks{path}"
            proof = "Basic " + base64.b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
        else:
            url, proof = f"{box.simpletexting.url}/v2/api/webhooks{path}", f"Bearer {merchant.st_token}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(url, data, {"Authorization": proof}, method=method)
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read() or "null")

    def there(self, system: str) -> list[Record]:
        """What is registered."""
        found = self.ask(system, "GET")
        rows: list[Record] = found if system == "vinoshipper" else found["content"]
        return rows

    def put(self, system: str, url: str, name: str, **more: Any) -> None:
        """Register something by other means."""
        names = {"subject": name} if system == "vinoshipper" else {"triggers": name.split("+")}
        self.ask(system, "POST", "", {"url": url, **names, **more})

    def asked(self, system: str) -> str:
        """The requests about webhooks since the journal was cleared, by the first letters of their methods."""
        journal = (self.story.shop if system == "vinoshipper" else self.story.texting).journal(TEST)
        letters = {"GET": "G", "POST": "P", "PUT": "U", "DELETE": "D"}
        return "".join(letters[entry["method"]] for entry in journal if "webhooks" in entry["path"])

    def seen(self) -> Any:
        return json.loads(self.seen_file.read_text())

    @property
    def seen_file(self) -> Path:
        return self.story.data / "merchants" / TEST / "webhooks.json"


@pytest.fixture
def hooked(story: Story) -> Hooked:
    return Hooked(story)


@pytest.fixture
def own_file(story: Story) -> Path:
    """The test winery's entry in a file of `merchants.d`, as our own command would have written it."""
    path = story.folder / "merchants.yaml"
    found = yaml.safe_load(path.read_text())
    (entry,) = [one for one in found["merchants"] if one["id"] == TEST]
    found["merchants"].remove(entry)
    path.write_text(yaml.safe_dump(found, sort_keys=False))
    folder = story.folder / "merchants.d"
    folder.mkdir()
    file = folder / f"{TEST}.yaml"
    text = yaml.safe_dump({"merchants": [entry]}, sort_keys=False).replace("file:keys", "file:../keys")
    file.write_text(f"{MARK}\n{text}")
    return file
