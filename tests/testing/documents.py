"""Find the commands and Python blocks in the README and in docs/."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The pages in the order in which a user meets them.
PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "index", "quickstart", "corpora", "recordings", "report", "shards", "interchange",
            "alignment", "scale", "training", "integrate", "method", "evaluation",
            "demo", "dependencies",
        )
    ),
)  # fmt: skip

#: Programs that stand at the start of a command line in the pages.
_PROGRAMS = ("stccl", "make", "pip", "python", "ray", "torchrun")


@dataclass(frozen=True)
class Example:
    """A command or a block of Python in a page."""

    page: str
    line: int
    text: str

    @property
    def name(self) -> str:
        """Identify the example: page, line and first words."""
        return f"{self.page}:{self.line} {self.text.splitlines()[0][:60]}"


def commands() -> list[Example]:
    """Return every command line of the pages, without its comment; ``a && b`` is two commands."""
    examples = []
    for page in PAGES:
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            words = line.split()
            if line.startswith("    ") and words and words[0] in _PROGRAMS:
                text = line.partition("  #")[0]
                parts = [part.strip() for part in text.split("&&")]
                examples += [Example(page, number, part) for part in parts]
    return examples


def python_blocks() -> list[Example]:
    """Return every block of Python in the pages."""
    blocks = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        blocks += [
            Example(page, text[: match.start()].count("\n") + 1, match.group(1))
            for match in re.finditer(r"```python\n(.*?)```", text, re.DOTALL)
        ]
    return blocks
