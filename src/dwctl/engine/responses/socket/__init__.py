"""Responses over a WebSocket: one connection, one turn after the other (spec/wire-api §1.9)."""
