"""Which requests were asked already, in some twenty bytes each where a set of Python's takes over a hundred."""

from __future__ import annotations

from array import array

_FIRST_SLOTS = 1 << 12
"""32 KB to begin with; it doubles as it fills."""
_KEY_BYTES = 8
"""Of a SHA-256: among ten million requests, the chance that any two are taken for one is one in 400,000."""


class KeySet:
    """A set of fingerprints, known by their first bytes: an open hash table, at most half full."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(_KEY_BYTES * _FIRST_SLOTS))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<KeySet of {self._count:,}>"

    def add(self, fingerprint: bytes) -> bool:
        """Take a fingerprint in; False when it is there already."""
        if 2 * self._count >= len(self._slots):
            self._grow()
        key = int.from_bytes(fingerprint[:_KEY_BYTES], "big") or 1  # 0 is an empty slot
        at = self._place(key)
        is_new = not self._slots[at]
        self._slots[at] = key
        self._count += is_new
        return is_new

    def _place(self, key: int) -> int:
        """Return the slot of a key, or the empty one where it belongs."""
        slots, mask = self._slots, len(self._slots) - 1
        at = key & mask
        while slots[at] and slots[at] != key:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        full = self._slots
        self._slots = array("Q", bytes(2 * _KEY_BYTES * len(full)))
        for key in full:
            if key:
                self._slots[self._place(key)] = key
