"""The entry point of a kernel: all fits, a few registers full at a time, until it is cancelled."""

from __future__ import annotations

HEAD = """
template <int N>
static bool some(int64_t first, int64_t fits, int64_t updates, const T *const *in,
                 const T *const *data, T *const *out, const volatile int32_t *halt) {
"""
"""The fits from `first` on that fill N registers; returns false where it was cancelled."""

_TAIL = """
  return true;
}

extern "C" int run(int64_t fits, int64_t updates, const T *const *in, const T *const *data,
                   T *const *out, const volatile int32_t *halt) {
  int64_t first = 0;
"""

_SEVERAL = """\
  for (; fits - first > 2 * EACH; first += 4 * EACH)
    if (*halt || !some<4>(first, fits, updates, in, data, out, halt)) return 0;
"""
"""Four registers at a time take as long as three, one after the other."""

_ONE = """\
  for (; first < fits; first += EACH)
    if (*halt || !some<1>(first, fits, updates, in, data, out, halt)) return 0;
  return 1;
}
"""


_FOUR = """\
  for (; first < fits; first += 4 * EACH)
    if (*halt || !some<4>(first, fits, updates, in, data, out, halt)) return 0;
  return 1;
}
"""


def tail(registers: int, *, alone: bool = False) -> str:
    """Return the end of a kernel that takes up to 1 or 4 registers full of fits at a time.

    Args:
        alone: whether it takes no fewer either: it is compiled in one form.
    """
    if alone and registers > 1:
        return _TAIL + _FOUR
    return _TAIL + (_SEVERAL if registers > 1 else "") + _ONE


GIVE_UP = "if (*halt) return false;"
"""Cancellation point: before whatever takes a millisecond, and not in the loops within."""
