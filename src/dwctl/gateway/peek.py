"""The few fields of a request's body that the gateway decides on, without parsing the rest. Pure.

Whether a key stands twice decides which model a lenient upstream would serve, so it has to be known exactly. A
decoder that keeps the last one does not tell; but it calls its hook for each value of a type of ours, however the key
is written, and so the values are counted while they are read, in the same single pass.

What limits the answer is read in that pass too, for calls that reserve what they may cost; there the last one counts,
and what is no count is for the model server to judge.
"""

from typing import Final

import msgspec

from dwctl.gateway.peeked import Peek
from dwctl.gateway.shapes import (
    FIELD_NAMES,
    BackgroundValue,
    CallFields,
    ConversationValue,
    ModelValue,
    PreviousValue,
    StoreValue,
    StreamOptionsValue,
    StreamValue,
    TierValue,
)
from dwctl.wire.errors import Problem, Refused

_PLACEHOLDERS: Final = {kind: kind() for kind in FIELD_NAMES}
# What every call asks for: compiled code has constants at hand, and looks up what other modules have each time.
_model_value: Final = ModelValue
_stream_value: Final = StreamValue
_a_model: Final = ModelValue()
_a_stream: Final = StreamValue()
_peek_of: Final = Peek
_unsaid: Final = object()


class Peeker:
    """One reader. Not for use by several threads."""

    __slots__ = ("_decode", "_model", "_stream", "_values")

    def __init__(self) -> None:
        self._model: object = _unsaid
        self._stream: object = _unsaid
        self._values: dict[type, object] = {}
        """The others, which few calls have."""
        self._decode = msgspec.json.Decoder(CallFields, dec_hook=self._found).decode

    def peek(self, body: bytes) -> Peek:
        """Read the fields; raises `Refused` with 400 for what cannot be understood."""
        self._model = self._stream = _unsaid
        if self._values:
            self._values = {}
        try:
            fields = self._decode(body)
        except msgspec.ValidationError as error:
            raise Refused(_not_an_object()) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(_not_json(body)) from error
        except RecursionError as error:
            raise Refused(_problem("The body is nested too deeply.")) from error
        model, stream, values = self._model, self._stream, self._values
        if model is _unsaid:
            model = None
        if stream is _unsaid:
            stream = None
        if model is not None and type(model) is not str:
            raise Refused(_wrong_type("model", "a string", model))
        if stream is not None and type(stream) is not bool:
            raise Refused(_wrong_type("stream", "a boolean", stream))
        if not values:
            return _peek_of(model, bool(stream), False, False, fields)
        has_options = StreamOptionsValue in values
        asked = has_options and _includes_usage(values[StreamOptionsValue])
        tier = values.get(TierValue)
        told = tier if isinstance(tier, str) else None
        background = _flag(values.get(BackgroundValue), unsaid=False)
        store = _flag(values.get(StoreValue), unsaid=True)
        continues = values.get(PreviousValue) is not None or values.get(ConversationValue) is not None
        return Peek(model, bool(stream), asked, has_options, fields, told, background, store, continues)

    def _found(self, kind: type, value: object) -> object:
        if kind is _model_value and self._model is _unsaid:
            self._model = value
            return _a_model
        if kind is _stream_value and self._stream is _unsaid:
            self._stream = value
            return _a_stream
        if kind in self._values or kind is _model_value or kind is _stream_value:
            name = FIELD_NAMES[kind]
            text = f"The field '{name}' stands in the body twice; send it once."
            raise Refused(_problem(text, param=name, code="invalid_value"))
        self._values[kind] = value
        return _PLACEHOLDERS[kind]


def _flag(value: object, *, unsaid: bool) -> bool | None:
    if value is None:
        return unsaid
    return value if isinstance(value, bool) else None


def _includes_usage(options: object) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        raise Refused(_wrong_type("stream_options", "an object", options))
    asked = options.get("include_usage")
    if asked is not None and not isinstance(asked, bool):
        raise Refused(_wrong_type("stream_options.include_usage", "a boolean", asked))
    return bool(asked)


def _problem(text: str, param: str | None = None, code: str | None = None) -> Problem:
    return Problem(status=400, message=text, param=param, code=code)


def no_flag(field: str) -> Problem:
    """A field that is to be a boolean is none."""
    return _problem(f"Invalid type for '{field}': expected a boolean.", param=field, code="invalid_type")


def _wrong_type(field: str, expected: str, value: object) -> Problem:
    text = f"Invalid type for '{field}': expected {expected}, but got {_kind_of(value)}."
    return _problem(text, param=field, code="invalid_type")


def _kind_of(value: object) -> str:
    """JSON's name of a value's type."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _not_an_object() -> Problem:
    return _problem("The body must be a JSON object with the field 'model'.", code="invalid_type")


def _not_json(body: bytes) -> Problem:
    what = "not valid JSON" if body.strip() else "empty"
    return _problem(f"The body is {what}; send a JSON object with the field 'model'.")
