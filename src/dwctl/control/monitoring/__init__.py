"""How much work waits: what autoscalers go by (spec/platform §1.11)."""
