#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "small_sum.h"

namespace hinge_embedding_loss {

// The exact sum of fewer than 2^53 doubles, as plain memory without pointers:
//
//     S = head + tail + Σ limbs[i] · 2^(32 i − 1074)        or, if `special` is not zero, S = special
//
// Order, grouping and merging never change it. All zeros is the empty sum. See docs/numerics.md.
class ExactSum {
 public:
  // Leaves the limbs unset: start_limbs clears them before their first use.
  ExactSum() : ExactSum(SmallSum{0, 0}) {}
  explicit ExactSum(const SmallSum& small) : small_(small), special_(0), pending_(0), uses_limbs_(0) {}

  // Head and tail hold most sums.
  void add(double value) {
    if (!small_.add(value)) add_to_limbs(value);
  }

  void merge(const ExactSum& other);

  // S / divisor, rounded once to nearest, ties to even; divisor < 2^53. 0 / 0 is NaN.
  double round(uint64_t divisor) const;

  bool is_zero() const;
  bool is_finite() const { return special_ == 0; }

  // Returns true, and sets `small` to the sum, if the limbs are not in use and the sum is finite.
  bool is_small(SmallSum& small) const {
    small = small_;
    return !uses_limbs_ && special_ == 0;
  }

  // Canonical text, equal for equal sums: "-0x1ap-4" is −26 · 2^−4. The digits neither begin nor end with 0,
  // and the exponent is −1074 plus a multiple of 4. Zero is "0x0p+0". Special values are "NaN", "Infinity"
  // and "-Infinity".
  std::string to_text() const;

  // Returns false, and leaves `sum` unspecified, if to_text never writes the text.
  static bool from_text(std::string_view text, ExactSum& sum);

  // Canonical bytes, equal for equal sums: none for zero; 'n', '+' or '-' for NaN and infinities; or |S| as
  // an integer m · 2^(8 p − 1074), m not a multiple of 2^8: 2 p + (1 if S is negative) in two bytes, and m.
  // The first byte of each is the lowest.
  std::string to_bytes() const;

  // Returns false, and leaves `sum` unspecified, if to_bytes never writes the bytes.
  static bool from_bytes(std::string_view bytes, ExactSum& sum);

 private:
  // 2^53 doubles below 2^1024 sum to less than 2^1077, which is bit 2151: the top limbs hold only the sign.
  static constexpr int kLimbs = 70;

  struct Term;
  struct Magnitude;

  void add(const Term& term);
  void add_to_limbs(double value);
  void deposit(const Term& term);
  void start_limbs();
  void propagate_limbs();

  SmallSum small_;
  double special_;       // the IEEE sum of the values that are not finite
  uint32_t pending_;     // deposits since the last propagate
  uint32_t uses_limbs_;  // 0 or 1
  int64_t limbs_[kLimbs];
};

}  // namespace hinge_embedding_loss
