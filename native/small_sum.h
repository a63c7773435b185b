#pragma once

#include <cmath>

namespace hinge_embedding_loss {

// Dekker's TwoProduct: a · b = product + error. Returns true if that is exact: |a| and |b| are below 2^500,
// and the product is 0 because one of them is, or 2^−960 at least.
inline bool two_product(double a, double b, double& product, double& error) {
  constexpr double kSplit = (1 << 27) + 1, kMost = 0x1p500, kLeast = 0x1p-960;
  product = a * b;
  const double a_high = kSplit * a - (kSplit * a - a), a_low = a - a_high;
  const double b_high = kSplit * b - (kSplit * b - b), b_low = b - b_high;
  error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  const double a_size = std::abs(a), b_size = std::abs(b), size = std::abs(product);
  return (a_size < kMost) & (b_size < kMost) & ((size >= kLeast) | (a == 0) | (b == 0));
}

// Knuth's TwoSum: a + b = the returned sum + error, exactly.
inline double two_sum(double a, double b, double& error) {
  const double sum = a + b;
  const double part = sum - a;
  error = (a - (sum - part)) + (b - part);
  return sum;
}

// The exact sum of doubles, head + tail, for as long as two doubles can hold it. All zeros is the empty sum.
struct SmallSum {
  double head;
  double tail;

  // Adds the value; or returns false and changes nothing, if the two cannot hold the sum or it is not finite.
  bool add(double value) {
    double error, lost;
    const double new_head = two_sum(head, value, error);
    const double new_tail = two_sum(tail, error, lost);
    if (lost != 0) return false;  // an infinite or NaN operand makes it NaN
    head = new_head;
    tail = new_tail;
    return true;
  }
};

// The same in four doubles, which hold the products of some doubles.
struct LongSum {
  static constexpr int kParts = 4;
  double parts[kParts];

  bool add(double value) {
    LongSum next;
    for (int k = 0; k < kParts; k++) {
      double error;
      next.parts[k] = two_sum(parts[k], value, error);
      value = error;
    }
    if (value != 0) return false;  // an infinite or NaN operand makes it NaN
    *this = next;
    return true;
  }
};

}  // namespace hinge_embedding_loss
