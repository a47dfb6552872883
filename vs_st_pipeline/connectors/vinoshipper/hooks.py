"""Says how Vinoshipper calls us by webhooks; what its calls mean is not read yet."""

from __future__ import annotations

from vs_st_pipeline.connectors.vinoshipper.registering import BY_HAND, VinoshipperRegistrar
from vs_st_pipeline.domain.hints import CUSTOMER, MEMBERSHIP, ORDER, WHOLE, Call
from vs_st_pipeline.platform.hooks import Hooks

HOOKS = Hooks(
    lambda _body: [Call(WHOLE)],
    frozenset({CUSTOMER, MEMBERSHIP, ORDER}),
    registrar=VinoshipperRegistrar,
    by_hand=BY_HAND,
)
