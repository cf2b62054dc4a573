// What fused kernels are written in (trainable/fused/cpp/writing): lanes side by side in registers.
//
//   T         float or double
//   Lanes<N>  one number for each of N * EACH fits: N registers
//   Truth<N>  a truth value for each of them
//
// Each operation takes Lanes, or a number that they share. Nothing here reorders arithmetic or
// assumes that numbers are finite. Kernels are compiled without contraction: a product and a sum are
// one instruction where multiply_add and its like are called, and nowhere else.

#include <cmath>
#include <cstdint>
#include <cstring>

typedef REAL T;
typedef INTEGER Int;  // as wide as T

#if defined __AVX512F__
enum { WIDTH = 64 };
#elif defined __AVX__
enum { WIDTH = 32 };
#else
enum { WIDTH = 16 };
#endif
enum { EACH = WIDTH / sizeof(T) };

typedef T Register __attribute__((vector_size(WIDTH)));
typedef Int Mask __attribute__((vector_size(WIDTH)));
typedef float Floats __attribute__((vector_size(WIDTH)));
typedef double Doubles __attribute__((vector_size(WIDTH)));

#define INLINE static inline __attribute__((always_inline))
#define EACH_PART _Pragma("GCC unroll 8") for (int i = 0; i < N; i++)
#define OF_N template <int N> INLINE
#define ALWAYS __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

// Tiles: rows, results of a product and sums over rows that are at once in registers, of 32 or 16.
#if defined __AVX512F__ || defined __aarch64__
enum { ROWS = 8, RESULTS = 2, SUMS = 4 };
#else
enum { ROWS = 4, RESULTS = 2, SUMS = 2 };
#endif
#define EACH_OF(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < count; i++)
template <int COUNT>
struct Count {
  enum { value = COUNT };
};

// Calls what(Count<n>(), first) for blocks of SIZE numbers: of the largest n <= MOST + 1 that divides
// SIZE; of a prime number, of about MOST, and of the rest.
constexpr int block_of(int size, int most) {
  for (int n = most + 1; n > 1; n--)
    if (size % n == 0) return n;
  return most < size ? most : size;
}
template <int SIZE, int MOST, class Do>
INLINE void in_blocks(Do what) {
  constexpr int BLOCK = block_of(SIZE, MOST), LEFT = SIZE % BLOCK;
  for (int64_t first = 0; first + BLOCK <= SIZE; first += BLOCK) what(Count<BLOCK>(), first);
  if constexpr (LEFT != 0) what(Count<LEFT>(), int64_t(SIZE - LEFT));
}

// Several registers: a number of the data is fetched once for all, and each has the others' waiting
// time to itself.
template <int N>
struct Truth {
  Mask part[N];
};
template <int N>
struct Lanes {
  Register part[N];
  Lanes() = default;
  __attribute__((always_inline)) Lanes(T x) { EACH_PART part[i] = x - Register{}; }  // -0 too
};

OF_N Lanes<N> operator-(Lanes<N> x) {
  EACH_PART x.part[i] = -x.part[i];
  return x;
}

#define ARITHMETIC(op)                                     \
  OF_N Lanes<N> operator op(Lanes<N> x, Lanes<N> y) {      \
    EACH_PART x.part[i] = x.part[i] op y.part[i];          \
    return x;                                              \
  }                                                        \
  OF_N Lanes<N> operator op(Lanes<N> x, T y) {             \
    EACH_PART x.part[i] = x.part[i] op y;                  \
    return x;                                              \
  }                                                        \
  OF_N Lanes<N> operator op(T x, Lanes<N> y) {             \
    EACH_PART y.part[i] = x op y.part[i];                  \
    return y;                                              \
  }
ARITHMETIC(+)
ARITHMETIC(-)
ARITHMETIC(*)
ARITHMETIC(/)

// x y + z rounded once, by the processor's instruction; where it has none, rounded twice.
#ifndef __has_builtin
#define __has_builtin(name) 0
#endif
#if !(defined __FMA__ || defined __AVX512F__ || defined __aarch64__ || defined __FP_FAST_FMAF)
INLINE Register fused(Register x, Register y, Register z) { return x * y + z; }
INLINE Register fused_less(Register x, Register y, Register z) { return x * y - z; }
INLINE Register less_fused(Register x, Register y, Register z) { return z - x * y; }
#elif __has_builtin(__builtin_elementwise_fma)  // of clang
INLINE Register fused(Register x, Register y, Register z) {
  return __builtin_elementwise_fma(x, y, z);
}
INLINE Register fused_less(Register x, Register y, Register z) { return fused(x, y, -z); }
INLINE Register less_fused(Register x, Register y, Register z) { return fused(-x, y, z); }
#elif __has_builtin(__builtin_ia32_vfmaddps256) && !defined __clang__
// Names of gcc's own: with its header of intrinsics, compiling would take twice as long.
#if defined __AVX512F__  // -1: all numbers; 4: the current rounding mode
#define FUSED_OF(type, name, op, kind)                             \
  INLINE type name(type x, type y, type z) {                       \
    return __builtin_ia32_##op##kind##512_mask(x, y, z, -1, 4);    \
  }
#else
#define FUSED_OF(type, name, op, kind)              \
  INLINE type name(type x, type y, type z) {        \
    return __builtin_ia32_##op##kind##256(x, y, z); \
  }
#endif
#define FUSED(name, op) FUSED_OF(Floats, name, op, ps) FUSED_OF(Doubles, name, op, pd)
FUSED(fused, vfmadd)
FUSED(fused_less, vfmsub)
FUSED(less_fused, vfnmadd)
#else
INLINE Register fused(Register x, Register y, Register z) {
  T a[EACH], b[EACH], c[EACH];
  memcpy(a, &x, sizeof x);
  memcpy(b, &y, sizeof y);
  memcpy(c, &z, sizeof z);
  for (int j = 0; j < EACH; j++) c[j] = std::fma(a[j], b[j], c[j]);
  memcpy(&z, c, sizeof z);
  return z;
}
INLINE Register fused_less(Register x, Register y, Register z) { return fused(x, y, -z); }
INLINE Register less_fused(Register x, Register y, Register z) { return fused(-x, y, z); }
#endif

// Called with N given: then numbers that fits share are taken as well.
#define MULTIPLY(name, how)                                       \
  OF_N Lanes<N> name(Lanes<N> x, Lanes<N> y, Lanes<N> z) {        \
    EACH_PART z.part[i] = how(x.part[i], y.part[i], z.part[i]);   \
    return z;                                                     \
  }
MULTIPLY(multiply_add, fused)            // x y + z
MULTIPLY(multiply_subtract, fused_less)  // x y - z
MULTIPLY(subtract_product, less_fused)   // z - x y

#define COMPARISON(op)                                                    \
  OF_N Truth<N> operator op(Lanes<N> x, Lanes<N> y) {                     \
    Truth<N> z;                                                           \
    EACH_PART z.part[i] = x.part[i] op y.part[i];                         \
    return z;                                                             \
  }                                                                       \
  OF_N Truth<N> operator op(Lanes<N> x, T y) { return x op Lanes<N>(y); } \
  OF_N Truth<N> operator op(T x, Lanes<N> y) { return Lanes<N>(x) op y; }
COMPARISON(<)
COMPARISON(<=)
COMPARISON(>)
COMPARISON(>=)
COMPARISON(==)
COMPARISON(!=)

#define LOGICAL(op)                                   \
  OF_N Truth<N> operator op(Truth<N> x, Truth<N> y) { \
    EACH_PART x.part[i] = x.part[i] op y.part[i];     \
    return x;                                         \
  }
LOGICAL(&)
LOGICAL(|)
LOGICAL(^)
OF_N Truth<N> operator~(Truth<N> x) {
  EACH_PART x.part[i] = ~x.part[i];
  return x;
}

OF_N Truth<N> truth(Truth<N> x) { return x; }
OF_N Truth<N> truth(Lanes<N> x) { return x != T(0); }
OF_N Truth<N> truth(T x) { return Lanes<N>(x) != T(0); }

// Bits of y where x holds, of z elsewhere.
OF_N Lanes<N> where(Truth<N> x, Lanes<N> y, Lanes<N> z) {
  EACH_PART z.part[i] = (Register)((x.part[i] & (Mask)y.part[i]) | (~x.part[i] & (Mask)z.part[i]));
  return z;
}
OF_N Lanes<N> where(Truth<N> x, T y, Lanes<N> z) { return where(x, Lanes<N>(y), z); }
OF_N Lanes<N> where(Truth<N> x, Lanes<N> y, T z) { return where(x, y, Lanes<N>(z)); }
OF_N Lanes<N> where(Truth<N> x, T y, T z) { return where(x, Lanes<N>(y), Lanes<N>(z)); }

OF_N Lanes<N> real(Lanes<N> x) { return x; }
OF_N Lanes<N> real(T x) { return x; }
OF_N Lanes<N> real(Truth<N> x) { return where(x, T(1), T(0)); }

// What is not a number stays so, whichever operand it is (but for its sign, which is 0).
OF_N Lanes<N> maximum(Lanes<N> x, Lanes<N> y) { return where((x > y) | (x != x), x, y); }
OF_N Lanes<N> maximum(Lanes<N> x, T y) { return maximum(x, Lanes<N>(y)); }
OF_N Lanes<N> maximum(T x, Lanes<N> y) { return maximum(Lanes<N>(x), y); }
OF_N Lanes<N> minimum(Lanes<N> x, Lanes<N> y) { return where((x < y) | (x != x), x, y); }
OF_N Lanes<N> minimum(Lanes<N> x, T y) { return minimum(x, Lanes<N>(y)); }
OF_N Lanes<N> minimum(T x, Lanes<N> y) { return minimum(Lanes<N>(x), y); }
OF_N Lanes<N> absolute(Lanes<N> x) { return where(x <= T(0), T(0) - x, x); }
OF_N Lanes<N> sign(Lanes<N> x) { return where(x > T(0), T(1), where(x < T(0), T(-1), T(0))); }

OF_N Lanes<N> sqrt(Lanes<N> x) {
  EACH_PART for (int j = 0; j < EACH; j++) x.part[i][j] = std::sqrt(x.part[i][j]);
  return x;
}

// Functions of a register. The C library's own versions for registers are called by their names
// (the x86-64 psABI's vector function ABI): a loop over the numbers of a register would become the same
// calls, but would write the register to memory by halves and wait for it, four times as long.
#if defined __x86_64__ && defined __GLIBC__ && defined __GNUC__
#if __GLIBC_PREREQ(2, 35)
#if defined __AVX512F__
#define OF_FLOATS(operands) "_ZGVeN16" operands "_"
#define OF_DOUBLES(operands) "_ZGVeN8" operands "_"
#elif defined __AVX2__
#define OF_FLOATS(operands) "_ZGVdN8" operands "_"
#define OF_DOUBLES(operands) "_ZGVdN4" operands "_"
#elif defined __AVX__
#define OF_FLOATS(operands) "_ZGVcN8" operands "_"
#define OF_DOUBLES(operands) "_ZGVcN4" operands "_"
#else
#define OF_FLOATS(operands) "_ZGVbN4" operands "_"
#define OF_DOUBLES(operands) "_ZGVbN2" operands "_"
#endif
#define AT_ONCE(name)                                                                 \
  extern Floats name##_register(Floats) noexcept __asm__(OF_FLOATS("v") #name "f"); \
  extern Doubles name##_register(Doubles) noexcept __asm__(OF_DOUBLES("v") #name);
#define AT_ONCE_OF_TWO(name)                                \
  extern Floats name##_register(Floats, Floats) noexcept \
      __asm__(OF_FLOATS("vv") #name "f");                   \
  extern Doubles name##_register(Doubles, Doubles) noexcept \
      __asm__(OF_DOUBLES("vv") #name);
#endif
#endif

// By a function of numbers. Called, since a copy of it at every place where it is used would make
// compiling slow; for a register at a time, so that a lane's numbers are the same wherever it stands.
#define BY_NUMBER(name, of)                                               \
  static __attribute__((noinline)) Register name##_register(Register x) { \
    T in[EACH], out[EACH];                                                \
    memcpy(in, &x, sizeof x);                                             \
    for (int j = 0; j < EACH; j++) out[j] = of(in[j]);                    \
    memcpy(&x, out, sizeof x);                                            \
    return x;                                                             \
  }
#define BY_NUMBER_OF_TWO(name, of)                                                    \
  static __attribute__((noinline)) Register name##_register(Register x, Register y) { \
    T one[EACH], other[EACH], out[EACH];                                              \
    memcpy(one, &x, sizeof x);                                                        \
    memcpy(other, &y, sizeof y);                                                      \
    for (int j = 0; j < EACH; j++) out[j] = of(one[j], other[j]);                     \
    memcpy(&x, out, sizeof x);                                                        \
    return x;                                                                         \
  }
#ifndef AT_ONCE
#define AT_ONCE(name) BY_NUMBER(name, std::name)
#define AT_ONCE_OF_TWO(name) BY_NUMBER_OF_TWO(name, std::name)
#endif

#define FUNCTION(name)                                \
  OF_N Lanes<N> name(Lanes<N> x) {                    \
    EACH_PART x.part[i] = name##_register(x.part[i]); \
    return x;                                         \
  }
#define FUNCTION_OF_TWO(name)                                          \
  OF_N Lanes<N> name(Lanes<N> x, Lanes<N> y) {                         \
    EACH_PART x.part[i] = name##_register(x.part[i], y.part[i]);       \
    return x;                                                          \
  }                                                                    \
  OF_N Lanes<N> name(Lanes<N> x, T y) { return name(x, Lanes<N>(y)); } \
  OF_N Lanes<N> name(T x, Lanes<N> y) { return name(Lanes<N>(x), y); }
