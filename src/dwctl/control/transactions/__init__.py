"""Transactions: the ledger as accounts see it."""
