"""Golden files: what the code gives is compared with a file that people review."""

from pathlib import Path


def check_golden(path: Path, text: str, *, update: bool) -> None:
    """Compare text with a golden file, or write it there."""
    if update:
        path.write_text(text)
    expected = path.read_text() if path.exists() else ""
    assert text == expected, f"{path.name} differs; if the change is right: make update-golden"
