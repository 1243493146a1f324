"""Budgets: how much of an account's or a key's calls may be charged in a period (ADR 0032)."""
