"""Words for messages."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 clip``, ``1,234 clips``.

    Args:
        number: how many.
        noun: in the singular; its plural ends in s.
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
