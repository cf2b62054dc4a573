// exp in registers: called, the C library's would have all others written to memory meanwhile.
//
// x = n log 2 + r, |r| <= log 2 / 2, and e^r = 1 + r + r^2 q(r), where q is the polynomial of least
// relative error (Remez): 0.05 units in the last place of a float, 0.03 of a double, and what rounding
// adds, at most one. log 2 is in two parts, n times the first of which is exact (Cody and Waite 1980).
//
// Of several registers each step is done for all before the next one, since each waits for the one
// before it.
#if defined __AVX512F__ && !defined __clang__
// The smaller of a bound and x, the larger one, and x 2^n. What is not a number stays so.
#define IN_BOUNDS(type, kind)                                                                       \
  INLINE type at_most(type x, type y) { return __builtin_ia32_min##kind##512_mask(y, x, x, -1, 4); }  \
  INLINE type at_least(type x, type y) { return __builtin_ia32_max##kind##512_mask(y, x, x, -1, 4); } \
  INLINE type times_power(type x, type n) {                                                         \
    return __builtin_ia32_scalef##kind##512_mask(x, n, x, -1, 4);                                   \
  }
IN_BOUNDS(Floats, ps)
IN_BOUNDS(Doubles, pd)
#else
INLINE Register at_most(Register x, Register y) { return x > y ? y : x; }
INLINE Register at_least(Register x, Register y) { return x < y ? y : x; }
// By two factors each of which is a number: its exponent is what the last bits of a sum are.
INLINE Register times_power(Register x, Register n) {
  constexpr int digits = sizeof(T) == 4 ? 23 : 52;
  constexpr T whole = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);
  constexpr T bias = whole + T(sizeof(T) == 4 ? 127 : 1023);
  const Register half = (n * T(0.5) + whole) - whole;
  return x * (Register)((Mask)(half + bias) << digits) * (Register)((Mask)(n - half + bias) << digits);
}
#endif

OF_N Lanes<N> exp(Lanes<N> x) {
  constexpr bool single = sizeof(T) == 4;
  constexpr T most = single ? T(89) : T(710), least = single ? T(-104) : T(-746);
  constexpr T high = single ? T(0x1.62e4p-1) : T(0x1.62e42feep-1);
  constexpr T low = single ? T(0x1.7f7d1cp-20) : T(0x1.a39ef35793c76p-33);
  static constexpr T one[] = {T(0x1.6a23dp-10), T(0x1.123a1ep-7), T(0x1.5558f2p-5), T(0x1.555492p-3),
                       T(0x1.fffffcp-2)};
  static constexpr T two[] = {T(0x1.ad7f3ee5d2f80p-26), T(0x1.28ad9b8648615p-22), T(0x1.71df25b30d420p-19),
                       T(0x1.a01999e26209fp-16), T(0x1.a01a012a0f35cp-13), T(0x1.6c16c18438b11p-10),
                       T(0x1.1111111127d0ep-7),  T(0x1.555555555083ep-5),  T(0x1.55555555554f9p-3),
                       T(0x1.000000000000ap-1)};
  constexpr const T *c = single ? one : two;
  // Added, so large a number leaves no fraction: the nearest whole number, which its last bits are.
  constexpr T whole = single ? T(0x1.8p23) : T(0x1.8p52);
  const Register zero = {};
  Lanes<N> n, q, square;
  // From there on it is infinite, or 0.
  EACH_PART x.part[i] = at_least(at_most(x.part[i], most + zero), least + zero);
  EACH_PART n.part[i] = fused(x.part[i], T(1.4426950408889634074) + zero, whole + zero) - whole;
  EACH_PART x.part[i] = less_fused(n.part[i], high + zero, x.part[i]);
  EACH_PART x.part[i] = less_fused(n.part[i], low + zero, x.part[i]);
  EACH_PART q.part[i] = fused(c[0] + zero, x.part[i], c[1] + zero);
  EACH_PART square.part[i] = x.part[i] * x.part[i];
  EACH_OF(k, (single ? 3 : 8)) {
    EACH_PART q.part[i] = fused(q.part[i], x.part[i], c[k + 2] + zero);
  }
  EACH_PART x.part[i] = fused(square.part[i], q.part[i], x.part[i]);
  EACH_PART x.part[i] = x.part[i] + T(1);
  EACH_PART x.part[i] = times_power(x.part[i], n.part[i]);
  return x;
}
