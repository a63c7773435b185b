#include "power.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "small_sum.h"

namespace hinge_embedding_loss {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// An unevaluated sum: |low| is at most half a unit in the last place of high.
struct DoubleDouble {
  double high, low;
};

DoubleDouble fast_two_sum(double a, double b) {  // |a| ≥ |b|, or a is 0
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

DoubleDouble two_sum(double a, double b) {
  DoubleDouble sum;
  sum.high = hinge_embedding_loss::two_sum(a, b, sum.low);
  return sum;
}

// Veltkamp's split: 26 bits each.
DoubleDouble split(double a) {
  const double shifted = 134217729 * a, high = shifted - (shifted - a);
  return {high, a - high};
}

DoubleDouble two_product(double a, double b) {
  DoubleDouble product;
  hinge_embedding_loss::two_product(a, b, product.high, product.low);
  return product;
}

DoubleDouble add(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble high = two_sum(a.high, b.high), low = two_sum(a.low, b.low);
  const DoubleDouble sum = fast_two_sum(high.high, high.low + low.high);
  return fast_two_sum(sum.high, sum.low + low.low);
}

DoubleDouble multiply(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble product = two_product(a.high, b.high);
  return fast_two_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

DoubleDouble multiply(DoubleDouble a, double b) {
  const DoubleDouble product = two_product(a.high, b);
  return fast_two_sum(product.high, product.low + a.low * b);
}

DoubleDouble divide(DoubleDouble a, double b) {
  const double quotient = a.high / b;
  const DoubleDouble product = two_product(quotient, b);
  return fast_two_sum(quotient, ((a.high - product.high) - product.low + a.low) / b);
}

// 1 / ln 2 and ln 2: 106 bits.
constexpr DoubleDouble kLog2E = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};
constexpr DoubleDouble kLn2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

constexpr int kPlaces = 128;  // table entries per unit

// log2((1 + s) / (1 − s)) by its series: for the tables only.
DoubleDouble log2_by_series(DoubleDouble s) {
  const DoubleDouble square = multiply(s, s);
  DoubleDouble sum = {};
  for (int n = 41; n > 0; n -= 2) sum = add(multiply(sum, square), divide({1, 0}, n));
  return multiply(multiply(multiply(sum, s), DoubleDouble{2, 0}), kLog2E);
}

// e^z by its series: for the tables only.
DoubleDouble exp_by_series(DoubleDouble z) {
  DoubleDouble sum = {1, 0};
  for (int n = 24; n > 0; n--) sum = add(divide(multiply(sum, z), n), DoubleDouble{1, 0});
  return sum;
}

struct Tables {
  // For c = j / kPlaces in [3/4, 3/2]: an approximation of 1 / c with few bits, and −log2 of it.
  struct Reciprocal {
    double value;
    DoubleDouble log2;
  };
  static constexpr int kFirst = kPlaces * 3 / 4, kLast = kPlaces * 3 / 2;
  Reciprocal reciprocals[kLast - kFirst + 1];
  DoubleDouble exps[kPlaces + 1];  // 2^(j / kPlaces − 1/2)

  Tables() {
    for (int j = kFirst; j <= kLast; j++) {
      const double value = std::floor(512.0 * kPlaces / j + 0.5) / 512;
      const DoubleDouble s = divide({1 - value, 0}, 1 + value);
      reciprocals[j - kFirst] = {value, log2_by_series(s)};
    }
    for (int j = 0; j <= kPlaces; j++) {
      const double exponent = static_cast<double>(j) / kPlaces - 0.5;
      exps[j] = exp_by_series(multiply(kLn2, exponent));
    }
  }
};

const Tables& tables() {
  static const Tables tables;
  return tables;
}

double power_of_two(int exponent) {  // a normal number
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

// True if 2^exponent needs no more of the exponent than a double: it is 1, beyond every double, or NaN. An
// exact product or quotient of other exponents stays clear of overflow, because a logarithm that is not 0 is
// at least 2^-53.
bool is_trivial(double exponent) {
  const double magnitude = std::abs(exponent);
  return !(magnitude >= 0x1p-80 && magnitude < kMaxExponent);
}

// The logarithm of a finite value > 0, with a relative error below 2^-64; NaN for other values, which
// elements that change while they are read can lead to.
DoubleDouble log2(double value) {
  if (!(value > 0 && value <= std::numeric_limits<double>::max())) return {kNaN, 0};
  // value = 2^exponent · m with m in [3/4, 3/2), so that values near 1 have an exponent of 0.
  int exponent;
  double m = std::frexp(value, &exponent);
  if (m < 0.75) {
    m *= 2;
    exponent--;
  }
  // r = m · reciprocal − 1 is exact: each half of m has few enough bits. |r| < 2^-6.9.
  const auto& entry = tables().reciprocals[static_cast<int>(m * kPlaces + 0.5) - Tables::kFirst];
  const DoubleDouble halves = split(m);
  const DoubleDouble r = two_sum(halves.high * entry.value - 1, halves.low * entry.value);
  // ln(1 + r) = r − r²/2 + r³ (1/3 − r/4 + …), whose last part needs no more than a double.
  double rest = 0;
  for (int n = 12; n >= 3; n--) rest = (n % 2 == 1 ? 1.0 : -1.0) / n + r.high * rest;
  const DoubleDouble square = multiply(r, r);
  const DoubleDouble ln =
      add(add(r, {-0.5 * square.high, -0.5 * square.low}), {square.high * r.high * rest, 0});
  return add(add({static_cast<double>(exponent), 0}, entry.log2), multiply(ln, kLog2E));
}

Scaled exp2(DoubleDouble value) {
  if (std::isnan(value.high)) return {kNaN, 0};
  if (std::abs(value.high) >= kMaxExponent) return {1, value.high < 0 ? -kMaxExponent : kMaxExponent};
  // value = exponent + j / kPlaces − 1/2 + t, |t| ≤ 2^-8.
  const double nearest = std::floor(value.high + 0.5);
  const double fraction = value.high - nearest;
  const int j = static_cast<int>(std::floor((fraction + 0.5) * kPlaces + 0.5));
  const DoubleDouble t = two_sum(fraction - (static_cast<double>(j) / kPlaces - 0.5), value.low);
  const DoubleDouble z = multiply(t, kLn2);
  // e^z − 1 = z + z² (1/2 + z/6 + …)
  double rest = 0;
  for (int n = 8; n >= 2; n--) rest = (1 + z.high * rest) / n;
  const double grown = z.high + (z.low + z.high * z.high * rest);
  const DoubleDouble& root = tables().exps[j];
  return {root.high + (root.low + root.high * grown), static_cast<int>(nearest)};
}

}  // namespace

Scaled split_exponent(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return {fraction, std::isfinite(value) ? exponent : 0};
}

double scale(Scaled value) {
  const auto [fraction, exponent] = value;
  if (exponent < -1200) return fraction * 0;
  if (exponent < -1000) return fraction * power_of_two(-900) * power_of_two(exponent + 900);
  if (exponent <= 1000) return fraction * power_of_two(exponent);
  return fraction * power_of_two(1000) * power_of_two(std::min(exponent - 1000, 1000));
}

Scaled power(double base, double exponent) {
  const DoubleDouble log = log2(base);
  const double rough = log.high * exponent;
  return exp2(is_trivial(rough) ? DoubleDouble{rough, 0} : multiply(log, exponent));
}

Scaled root(double value, double degree) {
  const DoubleDouble log = log2(value);
  const double rough = log.high / degree;
  return exp2(is_trivial(rough) ? DoubleDouble{rough, 0} : divide(log, degree));
}

}  // namespace hinge_embedding_loss
