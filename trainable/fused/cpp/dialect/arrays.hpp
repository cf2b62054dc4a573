// Arrays in memory: a row of `size` numbers for each fit. Of the N * EACH fits from `first` on, beyond
// the last one stand copies of it, which are computed and thrown away.

// Number `e` of each row.
OF_N void load(Lanes<N> &into, const T *rows, int64_t size, int64_t e, int64_t first,
               int64_t fits) {
  T at[N * EACH];
  for (int64_t j = 0; j < N * EACH; j++) {
    int64_t row = first + j < fits ? first + j : fits - 1;
    at[j] = rows[row * size + e];
  }
  EACH_PART memcpy(&into.part[i], at + i * EACH, sizeof into.part[i]);
}
OF_N void store(Lanes<N> from, T *rows, int64_t size, int64_t e, int64_t first, int64_t fits) {
  T at[N * EACH];
  EACH_PART memcpy(at + i * EACH, &from.part[i], sizeof from.part[i]);
  for (int64_t j = 0; j < N * EACH && first + j < fits; j++) rows[(first + j) * size + e] = at[j];
}

// EACH numbers of EACH rows at once, a square that is transposed in registers: one by one, they would be
// written to memory as numbers and read as registers, which waits for them.
template <int... PLACES>
struct Order {};
template <int COUNT, int... PLACES>
struct First : First<COUNT - 1, COUNT - 1, PLACES...> {};
template <int... PLACES>
struct First<0, PLACES...> {
  typedef Order<PLACES...> order;
};
#if defined __clang__
#define PICK(x, y, place) __builtin_shufflevector(x, y, (place)...)
#else
#define PICK(x, y, place) __builtin_shuffle(x, y, Mask{(place)...})
#endif

// Blocks of BY x BY numbers in two rows: the second of the one changes places with the first of the other.
template <int BY, int... PLACES>
INLINE void exchange(Register &x, Register &y, Order<PLACES...>) {
  Register upper = PICK(x, y, PLACES & BY ? EACH + PLACES - BY : PLACES);
  y = PICK(x, y, PLACES & BY ? EACH + PLACES : PLACES + BY);
  x = upper;
}
template <int BY>
INLINE void transpose(Register *square) {
  if constexpr (BY > 1) transpose<BY / 2>(square);
  _Pragma("GCC unroll 16") for (int j = 0; j < EACH; j++)
    if (!(j & BY)) exchange<BY>(square[j], square[j + BY], typename First<EACH>::order());
}

// All of `SIZE` numbers of each row; of the last square, some stand in the one before as well.
template <int N, int SIZE>
static NOINLINE void load_all(Lanes<N> *into, const T *rows, int64_t first, int64_t fits) {
  if constexpr (SIZE < EACH) {
    for (int64_t e = 0; e < SIZE; e++) load(into[e], rows, SIZE, e, first, fits);
  } else {
    for (int64_t i = 0; i < N; i++)
      for (int64_t next = 0; next < SIZE; next += EACH) {
        const int64_t e = next + EACH < SIZE ? next : SIZE - EACH;
        Register square[EACH];
        _Pragma("GCC unroll 16") for (int64_t j = 0; j < EACH; j++) {
          const int64_t fit = first + i * EACH + j;
          memcpy(square + j, rows + (fit < fits ? fit : fits - 1) * SIZE + e, sizeof *square);
        }
        transpose<EACH / 2>(square);
        _Pragma("GCC unroll 16") for (int j = 0; j < EACH; j++) into[e + j].part[i] = square[j];
      }
  }
}
template <int N, int SIZE>
static NOINLINE void store_all(const Lanes<N> *from, T *rows, int64_t first, int64_t fits) {
  if constexpr (SIZE < EACH) {
    for (int64_t e = 0; e < SIZE; e++) store(from[e], rows, SIZE, e, first, fits);
  } else {
    for (int64_t i = 0; i < N; i++)
      for (int64_t next = 0; next < SIZE; next += EACH) {
        const int64_t e = next + EACH < SIZE ? next : SIZE - EACH;
        Register square[EACH];
        _Pragma("GCC unroll 16") for (int j = 0; j < EACH; j++) square[j] = from[e + j].part[i];
        transpose<EACH / 2>(square);
        _Pragma("GCC unroll 16") for (int64_t j = 0; j < EACH; j++) {
          const int64_t fit = first + i * EACH + j;
          if (fit < fits) memcpy(rows + fit * SIZE + e, square + j, sizeof *square);
        }
      }
  }
}
