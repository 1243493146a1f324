"""How many tokens a request would be: `POST /ai/v1/responses/input_tokens`. Pure.

A model server that speaks Responses itself is asked, and its answer goes on as it comes; the call is a row without
bodies, and free. For any other model nobody is asked: the answer is the estimate by which usage is reckoned that was
not told (usage/estimate.py), a token for every four bytes, and there is no row.
"""

import msgspec

from dwctl.gateway.routes import Adapter
from dwctl.routing.snapshot import Model
from dwctl.usage.estimate import of_request


def counted(model: Model, asked: bytes) -> bytes | None:
    """The answer, for a model whose server cannot be asked; None for one whose server can."""
    if model.targets and not Adapter.serves(model):
        return None
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": of_request(asked)})
