"""Read times as people and programs write them."""

import math
import re

#: `1:02:03.5` or `2:03.5`.
_CLOCK = re.compile(r"(?:(?P<hours>\d+):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{2}(?:[.,]\d+)?)")


def parse_seconds(text: str) -> float:
    """Parse a time: seconds (`63.5`) or a clock (`1:03.5`, `1:02:03.5`).

    Raises:
        ValueError: it is neither, or negative.
    """
    if match := _CLOCK.fullmatch(text.strip()):
        seconds = float(match["seconds"].replace(",", "."))
        minutes = int(match["minutes"])
        if seconds < 60 and (minutes < 60 or match["hours"] is None):
            return 3600 * int(match["hours"] or 0) + 60 * minutes + seconds
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"invalid time {text[:40]!r}; write seconds, or h:mm:ss.s")
    return value
