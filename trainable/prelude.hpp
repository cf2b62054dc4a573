// What fused kernels are written in (trainable/emission.py): lanes side by side in registers.
//
//   T      float or double
//   Lanes  one number for each of LANES fits
//   Truth  a truth value for each of them
//
// Each operation takes Lanes, or a number that they share. Nothing here reorders arithmetic or
// assumes that numbers are finite.

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

typedef T Register __attribute__((vector_size(WIDTH)));
typedef Int Mask __attribute__((vector_size(WIDTH)));

// Two registers: a number of the data is fetched once for both, and each has the other's waiting
// time to itself.
struct Lanes { Register a, b; };
struct Truth { Mask a, b; };

enum { EACH = WIDTH / sizeof(T), LANES = 2 * EACH };

#define INLINE static inline __attribute__((always_inline))

INLINE Lanes lanes(T x) { return {Register{} + x, Register{} + x}; }
INLINE Lanes lanes(Lanes x) { return x; }
INLINE Lanes operator-(Lanes x) { return {-x.a, -x.b}; }

#define ARITHMETIC(op)                                                            \
  INLINE Lanes operator op(Lanes x, Lanes y) { return {x.a op y.a, x.b op y.b}; } \
  INLINE Lanes operator op(Lanes x, T y) { return {x.a op y, x.b op y}; }         \
  INLINE Lanes operator op(T x, Lanes y) { return {x op y.a, x op y.b}; }
ARITHMETIC(+)
ARITHMETIC(-)
ARITHMETIC(*)
ARITHMETIC(/)

#define COMPARISON(op)                                                            \
  INLINE Truth operator op(Lanes x, Lanes y) { return {x.a op y.a, x.b op y.b}; } \
  INLINE Truth operator op(Lanes x, T y) { return x op lanes(y); }                \
  INLINE Truth operator op(T x, Lanes y) { return lanes(x) op y; }
COMPARISON(<)
COMPARISON(<=)
COMPARISON(>)
COMPARISON(>=)
COMPARISON(==)
COMPARISON(!=)

#define LOGICAL(op) \
  INLINE Truth operator op(Truth x, Truth y) { return {x.a op y.a, x.b op y.b}; }
LOGICAL(&)
LOGICAL(|)
LOGICAL(^)
INLINE Truth operator~(Truth x) { return {~x.a, ~x.b}; }

INLINE Truth truth(Truth x) { return x; }
INLINE Truth truth(Lanes x) { return x != T(0); }
INLINE Truth truth(T x) { return truth(lanes(x)); }

// Bits of y where x holds, of z elsewhere.
INLINE Register chosen(Mask x, Register y, Register z) {
  return (Register)((x & (Mask)y) | (~x & (Mask)z));
}
INLINE Lanes where(Truth x, Lanes y, Lanes z) {
  return {chosen(x.a, y.a, z.a), chosen(x.b, y.b, z.b)};
}
INLINE Lanes where(Truth x, T y, Lanes z) { return where(x, lanes(y), z); }
INLINE Lanes where(Truth x, Lanes y, T z) { return where(x, y, lanes(z)); }
INLINE Lanes where(Truth x, T y, T z) { return where(x, lanes(y), lanes(z)); }

INLINE Lanes real(Lanes x) { return x; }
INLINE Lanes real(T x) { return lanes(x); }
INLINE Lanes real(Truth x) { return where(x, T(1), T(0)); }

// What is not a number stays so, whichever operand it is (but for its sign, which is 0).
INLINE Lanes maximum(Lanes x, Lanes y) { return where((x > y) | (x != x), x, y); }
INLINE Lanes maximum(Lanes x, T y) { return maximum(x, lanes(y)); }
INLINE Lanes maximum(T x, Lanes y) { return maximum(lanes(x), y); }
INLINE Lanes minimum(Lanes x, Lanes y) { return where((x < y) | (x != x), x, y); }
INLINE Lanes minimum(Lanes x, T y) { return minimum(x, lanes(y)); }
INLINE Lanes minimum(T x, Lanes y) { return minimum(lanes(x), y); }
INLINE Lanes absolute(Lanes x) { return where(x <= T(0), T(0) - x, x); }
INLINE Lanes sign(Lanes x) { return where(x > T(0), T(1), where(x < T(0), T(-1), T(0))); }

// The C library's own versions for registers, where it has them.
#if defined __x86_64__ && defined __GLIBC__ && defined __GNUC__ && !defined __clang__
#if __GLIBC_PREREQ(2, 35)
#define AT_ONCE extern "C" __attribute__((simd("notinbranch")))
AT_ONCE float expf(float) noexcept;
AT_ONCE double exp(double) noexcept;
AT_ONCE float expm1f(float) noexcept;
AT_ONCE double expm1(double) noexcept;
AT_ONCE float logf(float) noexcept;
AT_ONCE double log(double) noexcept;
AT_ONCE float log1pf(float) noexcept;
AT_ONCE double log1p(double) noexcept;
AT_ONCE float log2f(float) noexcept;
AT_ONCE double log2(double) noexcept;
AT_ONCE float sinf(float) noexcept;
AT_ONCE double sin(double) noexcept;
AT_ONCE float cosf(float) noexcept;
AT_ONCE double cos(double) noexcept;
AT_ONCE float tanf(float) noexcept;
AT_ONCE double tan(double) noexcept;
AT_ONCE float tanhf(float) noexcept;
AT_ONCE double tanh(double) noexcept;
AT_ONCE float atanf(float) noexcept;
AT_ONCE double atan(double) noexcept;
AT_ONCE float erff(float) noexcept;
AT_ONCE double erf(double) noexcept;
AT_ONCE float powf(float, float) noexcept;
AT_ONCE double pow(double, double) noexcept;
#endif
#endif

// Called, since a copy of each at every place where it is used would make compiling slow.
#define FUNCTION(name)                                         \
  static __attribute__((noinline)) Lanes name(Lanes x) {       \
    T in[LANES], out[LANES];                                   \
    memcpy(in, &x, sizeof x);                                  \
    for (int i = 0; i < LANES; i++) out[i] = std::name(in[i]); \
    memcpy(&x, out, sizeof x);                                 \
    return x;                                                  \
  }
FUNCTION(exp)
FUNCTION(expm1)
FUNCTION(log)
FUNCTION(log1p)
FUNCTION(log2)
FUNCTION(sin)
FUNCTION(cos)
FUNCTION(tan)
FUNCTION(tanh)
FUNCTION(atan)
FUNCTION(erf)

INLINE Register sqrt(Register x) {
  for (int i = 0; i < EACH; i++) x[i] = std::sqrt(x[i]);
  return x;
}
INLINE Lanes sqrt(Lanes x) { return {sqrt(x.a), sqrt(x.b)}; }

static __attribute__((noinline)) Lanes pow(Lanes x, Lanes y) {
  T base[LANES], exponent[LANES], out[LANES];
  memcpy(base, &x, sizeof x);
  memcpy(exponent, &y, sizeof y);
  for (int i = 0; i < LANES; i++) out[i] = std::pow(base[i], exponent[i]);
  memcpy(&x, out, sizeof x);
  return x;
}
INLINE Lanes pow(Lanes x, T y) { return pow(x, lanes(y)); }
INLINE Lanes pow(T x, Lanes y) { return pow(lanes(x), y); }

// Number `e` of `size` in the rows of LANES fits from `first` on, a row for each fit. Beyond the last
// fit stand copies of it, which are computed and thrown away.
INLINE Lanes load(const T *rows, int64_t size, int64_t e, int64_t first, int64_t fits) {
  T at[LANES];
  for (int64_t i = 0; i < LANES; i++) {
    int64_t row = first + i < fits ? first + i : fits - 1;
    at[i] = rows[row * size + e];
  }
  Lanes x;
  memcpy(&x, at, sizeof x);
  return x;
}
INLINE void store(Lanes x, T *rows, int64_t size, int64_t e, int64_t first, int64_t fits) {
  T at[LANES];
  memcpy(at, &x, sizeof x);
  for (int64_t i = 0; i < LANES && first + i < fits; i++) rows[(first + i) * size + e] = at[i];
}
