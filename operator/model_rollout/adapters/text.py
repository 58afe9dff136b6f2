"""Texts that others wrote, before they go into a status, a log or a terminal."""

_MAX_MESSAGE = 500


def readable(message: str) -> str:
    """Cut `message` to a length that fits a status, and replace everything that is not printable.

    A message of others ends up in logs and terminals, where line breaks forge lines and escape
    sequences do worse.
    """
    clean = "".join(c if c.isprintable() else " " for c in message[: _MAX_MESSAGE + 1])
    return clean if len(clean) <= _MAX_MESSAGE else f"{clean[: _MAX_MESSAGE - 1]}…"
