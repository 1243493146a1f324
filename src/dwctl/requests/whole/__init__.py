"""Files of requests and their batches, made in one go (spec/responses §1.9)."""
