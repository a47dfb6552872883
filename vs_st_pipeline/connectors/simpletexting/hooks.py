"""Says how SimpleTexting calls us by webhooks; what its calls mean is not read yet."""

from __future__ import annotations

from vs_st_pipeline.connectors.simpletexting.registering import BY_HAND, SimpleTextingRegistrar
from vs_st_pipeline.domain.hints import CONTACT, WHOLE, Call
from vs_st_pipeline.platform.hooks import Hooks

HOOKS = Hooks(lambda _body: [Call(WHOLE)], frozenset({CONTACT}), registrar=SimpleTextingRegistrar, by_hand=BY_HAND)
