"""Which split a hand belongs to: by its source, never by its frame, and the same in every run."""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from app.errors import InputError


@dataclass(frozen=True)
class SplitRule:
    """`train`, `val` or another name: all of it. `val:0.2`: about a fifth of the sources is `val`, the others are `train`."""

    name: str
    share: float = 1.0

    @staticmethod
    def parse(text: str) -> SplitRule:
        """From the command line. Raises InputError."""
        match = re.fullmatch(r'([\w-]+)(?::([0-9.]+))?', text)
        try:
            share = float(match[2]) if match and match[2] else 1.0
        except ValueError:
            share = -1.0
        if not match or not 0 < share <= 1:
            raise InputError(f"--split {text} is no split; give a name such as 'train', or 'val:0.2' for a fifth of the sources")
        return SplitRule(match[1], share)

    def of(self, unit: str) -> str:
        """The split of a source (or of a session, where sources are mere collections): by the hash of its name."""
        if self.share == 1:
            return self.name
        place = int(hashlib.sha256(unit.encode('utf-8', 'surrogateescape')).hexdigest()[:12], 16) / 16 ** 12
        other = 'val' if self.name == 'train' else 'train'
        return self.name if place < self.share else other


def torn_sessions(rows: list[dict]) -> list[str]:
    """Sessions that are in more than one split; there must be none."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        seen.setdefault(row.get('session') or row['source'], set()).add(row['split'])
    return sorted(name for name, splits in seen.items() if len(splits) > 1)
