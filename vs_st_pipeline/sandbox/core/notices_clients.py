"""Calls the control API of the stand-ins of Gupshup and Eshopbox."""

from __future__ import annotations

from vs_st_pipeline.sandbox.core.consumer_clients import AccountControl


class GupshupControl(AccountControl):
    """Control of Gupshup's stand-in; what other controls call a merchant is an account here."""
