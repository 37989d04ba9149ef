"""What does pydantic's complaint about a value mean, in words that the author of the file understands?

Shared by the readers of all files. Which keys are known, and what no single value shows, each reader says itself;
where in the text a value stands is `yaml_source`'s business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from probe.config.mistakes import Mistake
from probe.config.yaml_source import Path, Source, spell


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake by its path; `at_key` says that the key itself is wrong rather than its value."""

    path: Path
    message: str
    at_key: bool = False


def finding(details: ErrorDetails, models: Mapping[str, type[BaseModel]], *, text_wanted: str = "text") -> Finding:
    """One of pydantic's errors. `models`: which model stands below a key, to suggest the key that was meant."""
    path, kind, given = details["loc"], details["type"], details["input"]
    match kind:
        case "missing":
            return Finding(path=path, message="required, but missing")
        case "extra_forbidden":
            return Finding(path=path, message=f"unknown key{_suggestion(path, models)}", at_key=True)
        case "string_type":
            hint = ": put it in quotes" if isinstance(given, bool | int | float) else ""
            return Finding(path=path, message=f"must be {text_wanted}, not {what(given)}{hint}")
        case "list_type":
            return Finding(path=path, message=f"must be a list, not {what(given)}")
        case "model_type" | "dict_type":
            return Finding(path=path, message=f"must be a mapping, not {what(given)}")
        case "bool_type":
            return Finding(path=path, message=f"must be true or false, not {what(given)}")
        case "enum":
            return Finding(path=path, message=f"must be {details['ctx']['expected']}, not {_shown(given)}")
        case "too_short":
            return Finding(path=path, message="must not be empty")
        case "int_type":
            return Finding(path=path, message=f"must be a whole number, not {what(given)}")
        case _:
            return Finding(path=path, message=details["msg"])


def located(findings: tuple[Finding, ...], source: Source) -> tuple[Mistake, ...]:
    """The same with their places in the text, after the mistakes that reading found already."""
    mistakes = list(source.mistakes)
    for found in findings:
        _, line, column = source.locate(found.path, key=found.at_key)
        mistakes.append(Mistake(line=line, column=column, path=spell(found.path), message=found.message))
    return tuple(mistakes)


def what(value: object) -> str:
    """What a value is, in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def _shown(value: object) -> str:
    """A value as YAML writes it, as far as an enumeration may meet it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _suggestion(path: Path, models: Mapping[str, type[BaseModel]]) -> str:
    """Which known key was probably meant."""
    above = next((step for step in reversed(path[:-1]) if isinstance(step, str)), "")
    fields = models[above].model_fields if above in models else {}
    close = get_close_matches(str(path[-1]), [field.alias or name for name, field in fields.items()], n=1)
    return f" (did you mean {close[0]}?)" if close else ""
