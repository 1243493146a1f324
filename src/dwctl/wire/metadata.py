"""Metadata of responses and conversations: short texts that their client wants back (spec/wire-api §1.3). Pure."""

from dwctl.wire.errors import Problem, Refused

MOST_PAIRS = 16
LONGEST_NAME = 64
LONGEST_VALUE = 512


def metadata_of(given: object) -> dict[str, str]:
    """What is kept, nothing for null; raises `Refused` with the dotted name of what is wrong."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _wrong("metadata", "expected an object of texts", "invalid_type")
    if len(given) > MOST_PAIRS:
        raise _wrong("metadata", f"expected at most {MOST_PAIRS} pairs, got {len(given)}", "invalid_value")
    for name, value in given.items():
        if not 0 < len(name) <= LONGEST_NAME:
            text = f"expected names of 1 to {LONGEST_NAME} characters, got one of {len(name)}"
            raise _wrong("metadata", text, "invalid_value")
        field = f"metadata.{name}"
        if not isinstance(value, str):
            raise _wrong(field, "expected a string", "invalid_type")
        if len(value) > LONGEST_VALUE:
            text = f"expected at most {LONGEST_VALUE} characters, got {len(value)}"
            raise _wrong(field, text, "invalid_value")
    return given


def _wrong(field: str, what: str, code: str) -> Refused:
    return Refused(Problem(status=400, message=f"Invalid '{field}': {what}.", param=field, code=code))
