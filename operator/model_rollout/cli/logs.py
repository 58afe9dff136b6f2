"""Structured logs: one line a record, as JSON or as text."""

import logging
import textwrap

from pythonjsonlogger.json import JsonFormatter

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """Time, level, message, then the structured fields as `key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; control characters in it are escaped."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD and k[0] != "_"}
        texts = (f"{key}={_one_line(str(value))}" for key, value in fields.items())
        line = " ".join([_one_line(self.formatMessage(record)), *texts])
        if not record.exc_info:
            return line
        # Indented: a line break in the text of an exception must not look like a record.
        return f"{line}\n{textwrap.indent(self.formatException(record.exc_info), '    ')}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def configure_logs(form: str, level: str) -> None:
    """Send all logs to standard error. `form`: `json` or `text`; `level`: a name such as `INFO`."""
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
