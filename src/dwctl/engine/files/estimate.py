"""What a batch over a file may come to, before it is made (spec/platform §8.3). Pure."""

from collections.abc import Mapping
from decimal import Decimal

from dwctl.engine.files.access import EMBEDDINGS
from dwctl.engine.files.structs import Estimate, FileRow, ModelEstimate
from dwctl.routing.snapshot import Snapshot
from dwctl.usage.money import plain
from dwctl.usage.prices import ZERO

BYTES_PER_TOKEN = 4
OUTPUT_PER_INPUT = 1.1
"""Of a model that nothing is known of yet."""


def estimate(row: FileRow, window: str, mean_outputs: Mapping[str, float], snapshot: Snapshot) -> Estimate:
    """Tokens from bytes and from what the models answered lately; money by the tariff of the window."""
    models: list[ModelEstimate] = []
    total = ZERO
    for name, sums in sorted((row.models or {}).items()):
        lines = int(sums["lines"])
        tokens_in = -(-int(sums["bytes"]) // BYTES_PER_TOKEN)
        embedded = int(sums["urls"].get(EMBEDDINGS, 0))
        mean = mean_outputs.get(name)
        # An embedding is one token of output.
        tokens_out = embedded + round(
            (lines - embedded) * mean
            if mean is not None
            else tokens_in * OUTPUT_PER_INPUT * (lines - embedded) / max(lines, 1)
        )
        cost = _cost(snapshot, name, window, tokens_in, tokens_out)
        total += cost
        models.append(
            ModelEstimate(
                model=name,
                request_count=lines,
                estimated_input_tokens=tokens_in,
                estimated_output_tokens=tokens_out,
                estimated_cost=plain(cost),
            )
        )
    return Estimate(
        file_id=row.id,
        completion_window=window,
        total_requests=sum(model.request_count for model in models),
        total_estimated_input_tokens=sum(model.estimated_input_tokens for model in models),
        total_estimated_output_tokens=sum(model.estimated_output_tokens for model in models),
        total_estimated_cost=plain(total),
        models=models,
    )


def _cost(snapshot: Snapshot, name: str, window: str, tokens_in: int, tokens_out: int) -> Decimal:
    model = snapshot.models.get(name)
    tariff = None if model is None or model.tariffs is None else model.tariffs.of("batch", window)
    return ZERO if tariff is None else tariff.cost(tokens_in, tokens_out, None, None)
