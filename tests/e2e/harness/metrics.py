"""A page of /metrics, as numbers."""

import re

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Metrics:
    PREFIX = "outrigger_"

    def __init__(self, text):
        self.text = text
        self.series = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = _LINE.match(line)
            if not match:
                raise ValueError(f"not a sample: {line!r}")
            labels = dict(_LABEL.findall(match[2] or ""))
            self.series.append((match[1], labels, float(match[3])))

    def find(self, name, /, **labels):
        """[(labels, value)] of the series that carry all these labels."""
        full = name if name.startswith("process_") else self.PREFIX + name
        return [(have, value) for series, have, value in self.series
                if series == full and labels.items() <= have.items()]

    def value(self, name, /, **labels):
        """The sum over those series; 0 where there is none."""
        return sum(value for _, value in self.find(name, **labels))

    def has(self, name, /, **labels):
        return bool(self.find(name, **labels))

    def names(self):
        return {name for name, _, _ in self.series}
