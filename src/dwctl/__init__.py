"""dwctl, the Control Layer: one gateway, one row for every call."""

from dwctl.core import compiled

__version__ = "0.1.0"

# Before any module that may be compiled is loaded.
compiled.check()
