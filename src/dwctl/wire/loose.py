"""Reading JSON that anybody may have written: what is of another type counts as not there. Pure; nothing raises."""

from typing import Any

import msgspec

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decoded(data: bytes) -> Any:
    """Any JSON; None when it is none. Bytes that are no UTF-8 are replaced."""
    try:
        try:
            return msgspec.json.decode(data)
        except UnicodeDecodeError:
            return msgspec.json.decode(data.decode(errors="replace"))
    except FAULTS:
        return None


def object_of(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def string_of(value: object) -> str:
    """The value if it is a string, else the empty one."""
    return value if isinstance(value, str) else ""


def error_text(error: object) -> str:
    """The message in the value of `error`."""
    return string_of(error) or string_of(object_of(error).get("message"))
