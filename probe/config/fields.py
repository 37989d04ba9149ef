"""How is one value of a file read, checked and described? The pydantic pieces that all schemas are made of.

What a text may look like is in `urls`, `quantities` and the schemas; a `ValueError`'s message there is what the person
is told.
"""

from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

JsonSchema = dict[str, Any]
IDENTIFIER = r"[a-z0-9][a-z0-9_-]{0,62}"
JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Strict(BaseModel):
    """Unknown keys are refused and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def normalised(normalise: Callable[[str], str]) -> AfterValidator:
    """Turn a text into its one form."""

    def validate(text: str) -> str:
        try:
            return normalise(text)
        except ValueError as error:
            raise wrong(str(error)) from None

    return AfterValidator(validate)


def parsed(parse: Callable[[object], object]) -> BeforeValidator:
    """Turn whatever was written into the value that it stands for."""

    def validate(value: object) -> object:
        try:
            return parse(value)
        except ValueError as error:
            raise wrong(str(error)) from None

    return BeforeValidator(validate)


def wrong(reason: str) -> PydanticCustomError:
    """A mistake in the words of `reason`, whatever characters are in it."""
    return PydanticCustomError("value", "{reason}", {"reason": reason})


def text_schema(**schema: Any) -> WithJsonSchema:
    """What JSON Schema can say of a text."""
    return WithJsonSchema({"type": "string", **schema})
