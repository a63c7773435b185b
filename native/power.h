#pragma once

// Powers from + − × ÷ alone, so that every platform has the same bits: the C libraries differ in the last
// bits of pow, log2 and exp2.
namespace hinge_embedding_loss {

// fraction · 2^exponent, with a fraction between 1/2 and 2, or NaN.
struct Scaled {
  double fraction;
  int exponent;
};

// base^exponent, for a finite base > 0 and a finite exponent: with a relative error below 2^-52.98 where that
// is a normal number.
double power(double base, double exponent);

// value^(1/degree), for a finite value > 0 and a finite degree > 0, with a relative error below 2^-52.98.
// Beyond 2^±kMaxExponent it is 2^±kMaxExponent.
constexpr int kMaxExponent = 4096;
Scaled root(double value, double degree);

// fraction · 2^exponent, for 2^-20 ≤ |fraction| ≤ 2^60: rounded once, also to a subnormal number.
double scale(double fraction, int exponent);

}  // namespace hinge_embedding_loss
