"""dwctl, the Control Layer: one gateway, one row for every call, one dashboard."""

__version__ = "0.1.0"
