#pragma once

// Powers from + − × ÷ alone, so that every platform has the same bits: the C libraries differ in the last
// bits of pow, log2 and exp2.
namespace hinge_embedding_loss {

// fraction · 2^exponent: a number that may be beyond the doubles.
struct Scaled {
  double fraction;
  int exponent;
};

inline Scaled operator*(Scaled a, Scaled b) { return {a.fraction * b.fraction, a.exponent + b.exponent}; }
inline Scaled operator/(Scaled a, Scaled b) { return {a.fraction / b.fraction, a.exponent - b.exponent}; }

// Exact. The fraction is between 1/2 and 1, unless the value is 0, infinite or NaN.
Scaled split_exponent(double value);

// The value, rounded once, also to a subnormal number. The fraction is between 2^-80 and 2^60, or the
// exponent is 0, or the fraction is 0, infinite or NaN.
double scale(Scaled value);

// base^exponent, for a finite base > 0 and a finite exponent: with a relative error below 2^-52.98. Beyond
// 2^±kMaxExponent it is 2^±kMaxExponent.
constexpr int kMaxExponent = 4096;
Scaled power(double base, double exponent);

// value^(1/degree), for a finite value > 0 and a finite degree > 0, likewise.
Scaled root(double value, double degree);

}  // namespace hinge_embedding_loss
