"""Imitates the systems of the routes on loopback, for demo and tests; no code is shared with the clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vs_st_pipeline.sandbox.core.switches import SWITCHES

if TYPE_CHECKING:
    from vs_st_pipeline.sandbox.core.faults import FAULT_KINDS
    from vs_st_pipeline.sandbox.core.foreground import run_foreground
    from vs_st_pipeline.sandbox.core.process import Sandbox, SandboxMerchant
    from vs_st_pipeline.sandbox.scenarios.changes import shop_changes

__all__ = ["FAULT_KINDS", "SWITCHES", "Sandbox", "SandboxMerchant", "run_foreground", "shop_changes"]

_HOMES = {
    "FAULT_KINDS": "core.faults",
    "Sandbox": "core.process",
    "SandboxMerchant": "core.process",
    "run_foreground": "core.foreground",
    "shop_changes": "scenarios.changes",
}


def __getattr__(name: str) -> Any:
    """Import on demand: the server processes do not need the handle, and start faster without it."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
