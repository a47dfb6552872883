"""The world of route `consumers`, which its bench and its own tests share."""

from vs_st_pipeline_tests.routes.consumers.conftest import consumer_world, scene

__all__ = ["consumer_world", "scene"]
