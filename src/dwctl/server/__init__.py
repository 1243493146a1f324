"""Composition root: builds the objects, listens on the port, starts the services."""
