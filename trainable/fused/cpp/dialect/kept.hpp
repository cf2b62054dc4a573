
// Dropout by counter (`shoal.trainable.losses.stackable.dropout`): hashes, whole numbers below 2**32, one in
// the place of each number.

template <int SIZE>
struct Unsigned {
  typedef uint32_t type;
};
template <>
struct Unsigned<8> {
  typedef uint64_t type;
};
typedef Unsigned<sizeof(T)>::type Word;
typedef Word Words __attribute__((vector_size(WIDTH)));

INLINE Words mixed(Words h) {
  h = h ^ (h >> 16);
  h = (h * Word(0x85EBCA6B)) & Word(0xFFFFFFFF);
  h = h ^ (h >> 13);
  h = (h * Word(0xC2B2AE35)) & Word(0xFFFFFFFF);
  return h ^ (h >> 16);
}
INLINE Words whole(Register x) { return (Words)__builtin_convertvector(x, Mask); }

// Whether the hash of call, low, high, step and element is at least 65536 above + below.
OF_N Truth<N> kept(Lanes<N> low, Lanes<N> high, Lanes<N> step, Lanes<N> element, T call, T above,
                   T below) {
  const Word threshold = Word(above) << 16 | Word(below);
  Truth<N> z;
  EACH_PART {
    Words begun = whole(low.part[i]) + Word(call);
    begun = mixed(begun & Word(0xFFFFFFFF));
    begun = mixed((begun + whole(high.part[i])) & Word(0xFFFFFFFF));
    begun = mixed((begun + whole(step.part[i])) & Word(0xFFFFFFFF));
    const Words h = mixed((mixed(whole(element.part[i]) ^ begun) + begun) & Word(0xFFFFFFFF));
    z.part[i] = h >= threshold;
  }
  return z;
}
