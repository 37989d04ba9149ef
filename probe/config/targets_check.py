"""Which mistakes does a targets.yaml hold, in words that its author understands?

All of them at once: pydantic judges each value by `targets_schema`, and what no single value shows (an id given
twice, a target with nothing to measure) is looked for here even where values are wrong. Places are `probe.config`'s.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from probe.config import targets_schema as schema
from probe.config.findings import Finding, finding
from probe.config.yaml_source import Path, Plain
from probe.model.targets import TargetList

_TAGS = (schema.TEXT_TAG, schema.OBJECT_TAG)

# which keys are known below a key, to suggest the one that was meant
_MODELS: dict[str, type[BaseModel]] = {
    "": schema.TargetFile,
    "controls": schema.Controls,
    "resolvers": schema.Resolver,
    "helpers": schema.Helper,
    "media": schema.Media,
    "targets": schema.Target,
    "withheld": schema.Withheld,
    "download": schema.MediaObject,
    "upload": schema.MediaObject,
}


def check(data: Plain) -> tuple[TargetList | None, tuple[Finding, ...]]:
    """The target list, or None and every mistake."""
    findings = list(_between_values(data))
    try:
        file = schema.TargetFile.model_validate(data)
    except ValidationError as error:
        findings += [_finding(details) for details in error.errors(include_url=False)]
        return None, tuple(findings)
    return (None, tuple(findings)) if findings else (schema.to_model(file), ())


def _finding(details: ErrorDetails) -> Finding:
    path = tuple(step for step in details["loc"] if step not in _TAGS)
    wanted = "text or a mapping with a url" if schema.TEXT_TAG in details["loc"] else "text"
    return finding({**details, "loc": path}, _MODELS, text_wanted=wanted)


def _between_values(data: Plain) -> Iterator[Finding]:
    """Mistakes that lie between values, each of which may be well formed."""
    yield from _repeated(data, ("controls", "resolvers"), "name")
    yield from _repeated(data, ("targets",), "id")
    for path, media in _mappings(data, ("controls", "media")):
        if not media.get("download") and not media.get("upload"):
            yield Finding(path=path, message="has neither download nor upload")
    for path, target in _mappings(data, ("targets",)):
        if not any(_holds_something(target.get(subject)) for subject in ("sites", "media", "services", "withheld")):
            yield Finding(path=path, message="nothing to measure: needs sites, media, services or withheld")


def _holds_something(value: Plain) -> bool:
    """Whether there is anything in a value; a wrong one counts, since it is reported as such."""
    if isinstance(value, dict):
        return any(_holds_something(inner) for inner in value.values())
    return bool(value)


def _repeated(data: Plain, path: Path, key: str) -> Iterator[Finding]:
    """Values of `key` that a list's earlier item already has."""
    seen: set[str] = set()
    for item_path, item in _mappings(data, path):
        value = item.get(key)
        if not isinstance(value, str):
            continue
        if value in seen:
            yield Finding(path=(*item_path, key), message=f"{value!r} is given twice")
        seen.add(value)


def _mappings(data: Plain, path: Path) -> Iterator[tuple[Path, dict[str, Plain]]]:
    """The mappings in the list at `path`, whatever else is wrong around them."""
    value: Plain = data
    for step in path:
        value = value.get(str(step)) if isinstance(value, dict) else None
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield (*path, index), item
