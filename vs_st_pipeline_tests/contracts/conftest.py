"""The worlds of routes but `contacts`, which their benches and their own tests share."""

from vs_st_pipeline_tests.routes.audience.conftest import audience_scene, audience_world
from vs_st_pipeline_tests.routes.consumers.conftest import consumer_world, scene
from vs_st_pipeline_tests.routes.notices.conftest import notices_scene, notices_world
from vs_st_pipeline_tests.routes.orders.conftest import orders_world
from vs_st_pipeline_tests.routes.orders.conftest import scene as orders_scene

__all__ = [
    "audience_scene",
    "audience_world",
    "consumer_world",
    "notices_scene",
    "notices_world",
    "orders_scene",
    "orders_world",
    "scene",
]
