"""Compiled modules: what may be one, when they are refused, and that they do what their sources do (ADR 0043)."""
