// Functions that the C library has not for registers, or not at all: one number after the other.

// log |Γ(x)|. The other form of the C library writes the sign to a variable that threads share.
static inline float lgamma_of(float x) {
  int sign;
  return ::lgammaf_r(x, &sign);
}
static inline double lgamma_of(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}

// ψ(x) = d log Γ(x) / dx: by ψ(1 - x) - ψ(x) = π cot(πx) below 0, by ψ(x + 1) = ψ(x) + 1 / x up to
// 10, and from there by ψ(x) ~ log x - 1 / 2x - Σ B₂ₖ / (2k x²ᵏ). Source: Abramowitz and Stegun,
// 6.3.5, 6.3.7 and 6.3.18. It has poles at 0, where it is infinite, and at -1, -2, ...
static inline double digamma_of(double x) {
  if (x == 0) return std::copysign(HUGE_VAL, -x);
  double found = 0;
  if (x < 0) {
    if (x == std::trunc(x)) return NAN;
    const double pi = 3.14159265358979323846;
    found = -pi / std::tan(pi * (x - std::trunc(x)));
    x = 1 - x;
  }
  for (; x < 10; x += 1) found -= 1 / x;
  const double s = 1 / (x * x);
  const double series =
      s * (1. / 12 - s * (1. / 120 - s * (1. / 252 - s * (1. / 240 - s * (1. / 132 -
      s * (691. / 32760 - s * (1. / 12)))))));
  return found + (std::log(x) - 0.5 / x - series);
}
static inline float digamma_of(float x) { return float(digamma_of(double(x))); }

// What is left of x once whole multiples of y are taken away, with the sign of y.
static inline T remainder_of(T x, T y) {
  const T left = std::fmod(x, y);
  return left != 0 && (y < 0) != (left < 0) ? left + y : left;
}
