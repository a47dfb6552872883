"""Declares what Klaviyo is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.streams import Stream

PROFILES: Final = Stream("profiles", "klaviyo_profile", "raw.klaviyo_profiles", "id")
STREAMS: Final = (PROFILES,)
