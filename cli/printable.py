"""Show names of files as they are, without their effect on a terminal."""


def printable(text: str, keep: str = "") -> str:
    """Escape what is not printable: line breaks, control sequences, signs that turn text round.

    Args:
        text: may contain names that anybody chose.
        keep: characters to leave as they are.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
