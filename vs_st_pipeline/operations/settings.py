"""Reads the settings with all sections, systems and routes that there are: hands them to the readers, which know none.

The tuples are imported when they are first needed, because they bring in every connector.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from vs_st_pipeline.platform.garbage import collect_less
from vs_st_pipeline.platform.settings import environment, merchants
from vs_st_pipeline.platform.settings.environment import Loaded
from vs_st_pipeline.platform.settings.merchants import House, Merchant, MerchantsFile, RouteNeeds, Section


@functools.cache
def house() -> House:
    """Return the sections that an entry of the merchants file may have, and the routes that they make."""
    from vs_st_pipeline.connectors import CONNECTORS
    from vs_st_pipeline.routes import ROUTES

    sections = [Section(one.name, one.settings, one.hooks is not None) for one in CONNECTORS]
    sections += [Section(route.name, route.settings) for route in ROUTES if route.settings is not None]
    routes = [
        RouteNeeds(
            route.name,
            route.needs,
            route.name if route.settings is not None and route.settings.top_level else None,
        )
        for route in ROUTES
    ]
    return House(tuple(sections), tuple(routes), tuple(one.shared for one in CONNECTORS if one.shared is not None))


def read_merchants(
    path: Path,
    environ: Mapping[str, str],
    *,
    all_secrets: bool = False,
    secrets: bool = True,
    all_bad: bool = False,
    nobody: bool = False,
) -> MerchantsFile:
    """Read and check the merchants file.

    Args:
        path, environ, all_secrets, secrets, all_bad, nobody: as in `platform.settings.merchants`.

    Raises:
        BadSettings: the file cannot be read at all, or no merchant of it is usable. The message names file and line.
    """
    collect_less()  # thousands of entries are some hundred thousand objects: looking for cycles took a third of it
    return merchants.read_merchants(
        path, environ, house(), all_secrets=all_secrets, secrets=secrets, all_bad=all_bad, nobody=nobody
    )


def read_standing(path: Path, environ: Mapping[str, str], *, all_secrets: bool = False) -> MerchantsFile:
    """Read the merchants that there are; none where there is no merchants file yet, or no entry of it is usable.

    Args:
        path, environ, all_secrets: as in `platform.settings.merchants`.

    Raises:
        BadSettings: the file cannot be read at all.
    """
    return merchants.read_standing(path, environ, house(), all_secrets=all_secrets)


def read_draft(
    path: Path, environ: Mapping[str, str], file: Path, text: str, *, all_secrets: bool = False
) -> list[Merchant]:
    """Read what a file beside the merchants file would say.

    Args:
        path, environ, file, text, all_secrets: as in `platform.settings.merchants`.

    Raises:
        BadSettings: an entry of it cannot be used.
    """
    return merchants.read_draft(path, environ, house(), file, text, all_secrets=all_secrets)


def fleet_rates(environ: Mapping[str, str]) -> dict[str, float]:
    """Return requests a second for all merchants together, by system; one that is not set is not in it.

    Raises:
        BadSettings: one is set and is no number above 0, or is beyond what can be meant.
    """
    return environment.fleet_rates(environ, _systems())


def taken(environ: Mapping[str, str]) -> Loaded:
    """Read all settings of the environment; never raises: what is not understood is in the result."""
    return environment.taken(environ, _systems())


def _systems() -> list[str]:
    from vs_st_pipeline.connectors import CONNECTORS

    return [connector.name for connector in CONNECTORS]
