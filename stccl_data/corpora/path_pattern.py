"""Patterns of paths such as `{speaker}/{emotion}/{sentence}_{take}.mp4`, which give labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stccl_data.corpora.manifest_rows import LABELS
from stccl_data.errors import UsageError

_PART = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<star>\*)|(?P<text>[^{}*]+)|(?P<brace>[{}])")
#: Labels that are whole numbers.
_NUMBERS = frozenset({"take", "level"})


class PatternError(UsageError):
    """A pattern, or a value for its fields, is invalid."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern: `{label}` is a label, `*` is anything within a folder or a name."""

    text: str
    #: that prefers short values from the left, and one that prefers long ones
    shortest: re.Pattern[str]
    longest: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "PathPattern":
        """Parse a pattern.

        Raises:
            PatternError: it has an unknown label, a brace without its other half, or no label.
        """
        forms = {"?": "", "": ""}
        fields: set[str] = set()
        for part in _PART.finditer(text.replace("\\", "/")):
            field = part["field"]
            if part["brace"] or (field is not None and field not in LABELS):
                raise PatternError(
                    f"invalid pattern {text!r}: {part[0]!r} is not one of "
                    + " ".join(f"{{{label}}}" for label in LABELS)
                )
            for lazy in forms:
                if field is None:
                    forms[lazy] += f"[^/]*{lazy}" if part["star"] else re.escape(part["text"])
                elif field in fields:
                    forms[lazy] += f"(?P={field})"
                else:
                    value = r"\d" if field in _NUMBERS else "[^/]"
                    forms[lazy] += f"(?P<{field}>{value}+{lazy})"
            fields |= {field} if field is not None else set()
        if not fields:
            raise PatternError(f"invalid pattern {text!r}: it has no label such as {{speaker}}")
        # A pattern fits the end of a path: folders above it do not matter.
        shortest, longest = (
            re.compile(rf"(?:.*/)?{form}", re.IGNORECASE) for form in forms.values()
        )
        return cls(text, shortest, longest)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the pattern."""
        return tuple(self.shortest.groupindex)

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the labels in a path with `/`, or None if it does not match.

        Raises:
            PatternError: it matches in two ways.
        """
        match, other = self.shortest.fullmatch(path), self.longest.fullmatch(path)
        if match is None or other is None:
            return None
        if match.groupdict() != other.groupdict():
            field = next(name for name in self.labels if match[name] != other[name])
            raise PatternError(
                f"{path} fits {self.text} in two ways: {field} is {match[field]!r} or "
                f"{other[field]!r}; use another separator, or a pattern for these files alone"
            )
        return match.groupdict()


def parse_values(texts: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Parse translations such as `emotion:wut=angry` into (label, value) -> value.

    Raises:
        PatternError: one has another form, or an unknown label.
    """
    values = {}
    for text in texts:
        match = re.fullmatch(r"(?P<label>\w+):(?P<old>[^=]+)=(?P<new>.+)", text)
        if match is None or match["label"] not in LABELS:
            raise PatternError(f"invalid --map {text!r}; write LABEL:OLD=NEW, as emotion:wut=angry")
        values[match["label"], match["old"].strip().casefold()] = match["new"].strip()
    return values


def parse_constants(texts: tuple[str, ...]) -> dict[str, str]:
    """Parse labels that all files share, such as `speaker=ann`.

    Raises:
        PatternError: one has another form, or an unknown label.
    """
    values = {}
    for text in texts:
        label, separator, value = text.partition("=")
        if label not in LABELS or not separator or not value.strip():
            raise PatternError(f"invalid --set {text!r}; write LABEL=VALUE, as speaker=ann")
        values[label] = value.strip()
    return values
