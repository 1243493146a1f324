"""Processes of this installation, as the contract lists them."""
