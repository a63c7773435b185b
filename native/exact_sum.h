#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hinge_embedding_loss {

// The exact sum of fewer than 2^53 doubles, as plain memory without pointers:
//
//     S = head + Σ limbs[i] · 2^(32 i − 1074)        or, if `special` is not zero, S = special
//
// Order, grouping and merging never change it. All zeros is the empty sum. See docs/numerics.md.
class ExactSum {
 public:
  // Leaves the limbs unset: start_limbs clears them before their first use.
  ExactSum() : head_(0), special_(0), pending_(0), uses_limbs_(0) {}

  // TwoSum gives the rounding error of head + value. It is 0 for most sums of few values, which stay in the
  // head.
  void add(double value) {
    const double sum = head_ + value;
    const double part = sum - head_;
    const double error = (head_ - (sum - part)) + (value - part);
    if (error == 0) {
      head_ = sum;
    } else {
      add_inexact(value, sum, error);
    }
  }

  void merge(const ExactSum& other);

  // S / divisor, rounded once to nearest, ties to even; divisor < 2^53. 0 / 0 is NaN.
  double round(uint64_t divisor) const;

  bool is_zero() const;
  bool is_finite() const { return special_ == 0; }

  // Canonical text, equal for equal sums: "-0x1ap-4" is −26 · 2^−4. The digits neither begin nor end with 0,
  // and the exponent is −1074 plus a multiple of 4. Zero is "0x0p+0". Special values are "NaN", "Infinity"
  // and
  // "-Infinity".
  std::string to_text() const;

  // Returns false, and leaves `sum` unspecified, if to_text never writes the text.
  static bool from_text(std::string_view text, ExactSum& sum);

 private:
  // 2^53 doubles below 2^1024 sum to less than 2^1077, which is bit 2151: the top limbs hold only the sign.
  static constexpr int kLimbs = 70;

  struct Magnitude;

  void add_inexact(double value, double sum, double error);
  void deposit(double value);
  void start_limbs();
  void propagate();

  double head_;
  double special_;       // the IEEE sum of the values that are not finite
  uint32_t pending_;     // deposits since the last propagate
  uint32_t uses_limbs_;  // 0 or 1
  int64_t limbs_[kLimbs];
};

}  // namespace hinge_embedding_loss
