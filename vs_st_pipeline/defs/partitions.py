"""Defines the partitions: one per merchant, the key is the merchant's id."""

from __future__ import annotations

from dagster import DynamicPartitionsDefinition

merchants = DynamicPartitionsDefinition(name="merchants")
