"""The entry of a kernel: all fits, a handful after the other, until it is told to give up."""

from __future__ import annotations

HEAD = """
template <int N>
static bool some(int64_t first, int64_t fits, int64_t updates, const T *const *in,
                 const T *const *data, T *const *out, const volatile int32_t *halt) {
"""
"""Of the fits from `first` on, a handful: N registers full. False: given up."""

TAIL = """
  return true;
}

extern "C" int run(int64_t fits, int64_t updates, const T *const *in, const T *const *data,
                   T *const *out, const volatile int32_t *halt) {
  int64_t first = 0;
  for (; fits - first > 2 * EACH; first += 4 * EACH)
    if (*halt || !some<4>(first, fits, updates, in, data, out, halt)) return 0;
  for (; first < fits; first += EACH)
    if (*halt || !some<1>(first, fits, updates, in, data, out, halt)) return 0;
  return 1;
}
"""
"""Four registers at a time take as long as three, one after the other."""

GIVE_UP = "if (*halt) return false;"
"""Said where what comes takes a millisecond, and not in the loops within."""
