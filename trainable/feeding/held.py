"""What updates take, held for the fits that take the same later: a cache bounded in bytes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Hashable, Sequence

import torch

MAX_BYTES = 128 << 20
"""Of all that is held by the workers of one process."""


class Held:
    """Tensors by who takes them, which is a program and the seed of its fits, and the number of an
    update.

    The fits of one seed take the same, from their first update to their last, and then the fits of
    the next block do: where not all of it has room, the first updates stay. Others make room, any
    of them: of programs that take turns, the one that was used the longest ago comes next.
    """

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._takers: dict[Hashable, dict[int, Sequence[torch.Tensor]]] = {}
        self._users: Counter[int] = Counter()  # of each storage, by its address
        self._draw = random.Random(0)
        self._lock = threading.Lock()

    def get(self, taker: Hashable, step: int) -> Sequence[torch.Tensor] | None:
        """Return what is held of an update."""
        return self._takers.get(taker, {}).get(step)

    def put(self, taker: Hashable, step: int, tensors: Sequence[torch.Tensor]) -> None:
        """Hold what an update takes, if there is room, or can be made; any thread may."""
        with self._lock:
            self._put(taker, step, tensors)

    def _put(self, taker: Hashable, step: int, tensors: Sequence[torch.Tensor]) -> None:
        steps = self._takers.setdefault(taker, {})
        if step in steps:
            return
        own = {_address(t): t.untyped_storage().nbytes() for t in tensors}
        while True:
            more = sum(size for address, size in own.items() if not self._users[address])
            if self._bytes + more <= self._most:
                break
            others = [other for other in self._takers if other != taker]
            if not others:
                return
            for gone in self._takers.pop(self._draw.choice(others)).values():
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
