"""What updates take, held for the fits that take the same later: a cache bounded in bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

MAX_BYTES = 64 << 20
"""Of all that is held by one program."""


class Held:
    """Tensors by the seed of a fit and the number of an update.

    The fits of one seed take the same, from their first update to their last, and then the fits of
    the next block do: where not all of it has room, the first updates stay. Those of other seeds
    make room.
    """

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._seeds: dict[int, dict[int, Sequence[torch.Tensor]]] = {}  # the last used is the last
        self._users: Counter[int] = Counter()  # of each storage, by its address

    def get(self, seed: int, step: int) -> Sequence[torch.Tensor] | None:
        """Return what is held of an update."""
        return self._seeds.get(seed, {}).get(step)

    def put(self, seed: int, step: int, tensors: Sequence[torch.Tensor]) -> None:
        """Hold what an update takes, if there is room, or can be made."""
        steps = self._seeds.pop(seed, {})
        self._seeds[seed] = steps
        own = {_address(t): t.untyped_storage().nbytes() for t in tensors}
        while True:
            more = sum(size for address, size in own.items() if not self._users[address])
            if self._bytes + more <= self._most:
                break
            oldest = next(iter(self._seeds))
            if oldest == seed:
                return
            for gone in self._seeds.pop(oldest).values():
                self._let_go(gone)
        steps[step] = tensors
        self._users.update(list(own))
        self._bytes += more

    def _let_go(self, tensors: Sequence[torch.Tensor]) -> None:
        for address, size in {_address(t): t.untyped_storage().nbytes() for t in tensors}.items():
            self._users[address] -= 1
            if not self._users[address]:
                self._bytes -= size


def _address(tensor: torch.Tensor) -> int:
    """Of its storage, which tensors may have in common."""
    return tensor.untyped_storage().data_ptr()
