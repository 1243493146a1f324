"""dwctl, the Control Layer: one gateway, one row for every call."""

__version__ = "0.1.0"
