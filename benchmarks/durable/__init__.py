"""Parts of `benchmarks.engine`: what the engine's durable work costs."""
