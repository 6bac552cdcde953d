"""Read the text of a CSV as spreadsheet programs write it."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The first line that Excel obeys and does not show: `sep=;`, maybe quoted, maybe with the empty
#: cells that a program added which did not know it.
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(?P<separator>[^"\r\n])"?[,;\t]*\r?(?:\n|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvText:
    """The text of a CSV, from its header on."""

    text: str
    delimiter: str
    #: what is unusual about the file, to follow its name; empty if nothing
    remarks: tuple[str, ...] = ()

    def rows(self) -> Iterator[list[str]]:
        """Iterate over the rows. Raises csv.Error for each that cannot be read."""
        return csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)


def read_csv_text(path: Path) -> CsvText:
    """Read a CSV with commas, semicolons or tabs; a `.tsv` has tabs.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is neither UTF-8 nor UTF-16.
    """
    content = path.read_bytes()
    text = decode(content)
    remarks = []
    if _encoding(content).startswith("utf-16-"):
        remarks.append("is UTF-16 without a byte order mark")
    if match := _SEPARATOR_LINE.match(text):
        text = text[match.end() :]
        remarks.append(f"has a first line of Excel that separates cells by {match['separator']!r}")
        return CsvText(text, match["separator"], tuple(remarks))
    first_line = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first_line.count)
    return CsvText(text, delimiter, tuple(remarks))


def decode(content: bytes) -> str:
    """Decode UTF-8 or UTF-16 text, with or without a byte order mark.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    return content.decode(_encoding(content))


def _encoding(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = content[:8]  # column names begin with ASCII letters
    if len(head) == 8 and all(head[::2]) and not any(head[1::2]):
        return "utf-16-le"
    if len(head) == 8 and all(head[1::2]) and not any(head[::2]):
        return "utf-16-be"
    return "utf-8-sig"
