"""The worlds of routes `consumers` and `orders`, which their benches and their own tests share."""

from vs_st_pipeline_tests.routes.consumers.conftest import consumer_world, scene
from vs_st_pipeline_tests.routes.orders.conftest import orders_world
from vs_st_pipeline_tests.routes.orders.conftest import scene as orders_scene

__all__ = ["consumer_world", "orders_scene", "orders_world", "scene"]
