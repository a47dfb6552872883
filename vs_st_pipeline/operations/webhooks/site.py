"""Knows our hook URLs: makes them, and says whose a registered URL is (webhooks-onboarding.md H1, H33).

A URL is ours by its token, which only who has the secret can make, and by its beginning, which tells one installation
from another that has the same secret and merchants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.hooks import hook_url, make_token, masked
from vs_st_pipeline.platform.settings.hook_secrets import HOOK_SECRET, hook_secrets
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.public_url import PUBLIC_URL, normalized, public_url, read_public_url


class Whose(Enum):
    """Whose a registered URL is."""

    PRESENT = "present"
    OLD = "old_generation"  # an earlier generation, or made by another secret than the first
    MOVED = "moved"
    ELSEWHERE = "elsewhere"  # the token is right, the beginning another: another installation
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Site:
    """Where this installation is reached, and what its tokens are made from.

    Attributes:
        url: `VS_ST_PUBLIC_URL`. secrets: the first makes tokens, all are accepted.
        moved_from: URLs under which this installation was reached before; registrations there are ours, too.
    """

    url: str
    secrets: Sequence[str]
    moved_from: Sequence[str] = ()

    def token(self, merchant: Merchant, system: str) -> str:
        """Return the present token of a merchant."""
        return make_token(self.secrets[0], system, merchant.id, merchant.webhooks.of(system).generation)

    def hook_url(self, merchant: Merchant, system: str) -> str:
        """Return the whole present URL of a merchant; for the system itself, and for who may see it."""
        return hook_url(self.url, system, self.token(merchant, system))

    def shown_url(self, merchant: Merchant, system: str) -> str:
        """Return the same without the token."""
        return hook_url(self.url, system, masked(self.token(merchant, system)))


def site_of(environ: Mapping[str, str], moved_from: Sequence[str] = ()) -> Site:
    """Return the site that the environment describes.

    Raises:
        BadSettings: a setting is missing or not understood.
    """
    site = site_if_any(environ, moved_from)
    if site is not None:
        return site
    lacks = PUBLIC_URL if public_url(environ) is None else HOOK_SECRET
    how = (
        "set it to where the world reaches `vs-st receive`, such as https://hooks.example.com"
        if lacks == PUBLIC_URL
        else "`vs-st webhooks secret PATH` makes one; set it to file:PATH"
    )
    raise BadSettings(f"{lacks} is not set, so nothing can be registered: {how}")


def site_if_any(environ: Mapping[str, str], moved_from: Sequence[str] = ()) -> Site | None:
    """Return the same; None where webhooks are not set up.

    Raises:
        BadSettings: a setting is not understood.
    """
    url, secrets = public_url(environ), hook_secrets(environ)
    if url is None or not secrets:
        return None
    return Site(url, secrets, tuple(read_public_url(one.strip().rstrip("/"), "--moved-from") for one in moved_from))


class Recognizer:
    """Says whose registered URLs of one merchant and system are.

    Args:
        site, merchant, system: whose tokens are looked for.
    """

    def __init__(self, site: Site, merchant: Merchant, system: str) -> None:
        generation = merchant.webhooks.of(system).generation
        self._present = site.token(merchant, system)
        self._tokens = {
            make_token(secret, system, merchant.id, number)
            for secret in site.secrets
            for number in range(1, generation + 1)
        }
        self._between = f"/hooks/{system}/"
        self._here = normalized(site.url)
        self._before = {normalized(one) for one in site.moved_from}

    def whose(self, url: str) -> Whose:
        """Say whose a URL is."""
        found = self._split(url)
        if found is None:
            return Whose.FOREIGN
        start, token = found
        if start == self._here:
            return Whose.PRESENT if token == self._present else Whose.OLD
        return Whose.MOVED if start in self._before else Whose.ELSEWHERE

    def shown(self, url: str) -> str:
        """Return a URL that is not foreign without its token."""
        found = self._split(url)
        return "" if found is None else f"{found[0]}{self._between}{masked(found[1])}"

    def _split(self, url: str) -> tuple[str, str] | None:
        """Return how a URL with a token of ours begins, normalized, and the token."""
        plain = normalized(url.split("?")[0].split("#")[0])
        start, between, token = plain.removesuffix("/").rpartition(self._between)
        return (start, token) if between and token in self._tokens else None
