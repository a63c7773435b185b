#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "small_sum.h"

namespace hinge_embedding_loss {

// The exact sum of fewer than 2^53 terms, as plain memory without pointers:
//
//     S = head + tail + Σ limbs[i] · 2^(32 i + e)        or, if `special` is not zero, S = special
//
// Order, grouping and merging never change it. All zeros is the empty sum. See docs/numerics.md. The terms
// are multiples of 2^e, e = kLowestExponent, and below 2^(e + kMaxBits − 53).
template <int kLowestExponent, int kMaxBits>
class BasicExactSum {
 public:
  static constexpr size_t kMaxTextLength = kMaxBits / 4 + 16;  // the digits, "-0x", "p" and an exponent

  // Leaves the limbs unset: start_limbs clears them before their first use.
  BasicExactSum() : BasicExactSum(SmallSum{0, 0}) {}
  explicit BasicExactSum(const SmallSum& small) : small_(small), special_(0), pending_(0), uses_limbs_(0) {}

  // Copies the limbs only if they are in use, as they are most of the memory.
  BasicExactSum(const BasicExactSum& other) { *this = other; }
  BasicExactSum& operator=(const BasicExactSum& other) {
    small_ = other.small_;
    special_ = other.special_;
    pending_ = other.pending_;
    uses_limbs_ = other.uses_limbs_;
    if (uses_limbs_) std::copy(other.limbs_, other.limbs_ + kLimbs, limbs_);
    return *this;
  }

  // Head and tail hold most sums.
  void add(double value) {
    if (!small_.add(value)) add_to_limbs(value);
  }

  void add_product(double a, double b)
    requires(kLowestExponent <= 2 * -1074);

  // The other's terms must be possible terms of this sum.
  template <int kOtherLowest, int kOtherBits>
  void merge(const BasicExactSum<kOtherLowest, kOtherBits>& other);

  // S / divisor, rounded once to nearest, ties to even; divisor < 2^53. 0 / 0 is NaN.
  double round(uint64_t divisor) const;

  // S / divisor, rounded once to nearest, ties to even; the divisor is finite and not negative. S / 0 is NaN.
  template <int kOtherLowest, int kOtherBits>
  double round(const BasicExactSum<kOtherLowest, kOtherBits>& divisor) const;

  bool is_zero() const;
  bool is_negative() const;
  bool is_finite() const { return special_ == 0; }
  bool is_nan() const { return special_ != special_; }

  // Returns true, and sets `small` to the sum, if the limbs are not in use and the sum is finite.
  bool is_small(SmallSum& small) const {
    small = small_;
    return !uses_limbs_ && special_ == 0;
  }

  // Returns true, and sets `sum` to this one, if its digits fit.
  bool is_long(LongSum& sum) const;

  // Canonical text, equal for equal sums: "-0x1ap-4" is −26 · 2^−4. The digits neither begin nor end with 0,
  // and the exponent is e plus a multiple of 4. Zero is "0x0p+0". Special values are "NaN", "Infinity"
  // and "-Infinity".
  std::string to_text() const;

  // Writes this text, of at most kMaxTextLength bytes, and returns its end.
  char* write_text(char* at) const;

  // Returns false, and leaves `sum` unspecified, if to_text never writes the text.
  static bool from_text(std::string_view text, BasicExactSum& sum);

  // Writes canonical bytes, at most kMaxTextLength and equal for equal sums, and returns their end: none for
  // zero; 'n', '+' or '-' for NaN and infinities; or |S| as an integer m · 2^(8 p + e), m not a multiple
  // of 2^8: 2 p + (1 if S is negative) in two bytes, and m. The first byte of each is the lowest.
  char* write_bytes(char* at) const;

  // Returns false, and leaves `sum` unspecified, if write_bytes never writes the bytes.
  static bool from_bytes(std::string_view bytes, BasicExactSum& sum);

 private:
  template <int, int>
  friend class BasicExactSum;

  // The top limbs hold only the sign.
  static constexpr int kLimbs = kMaxBits / 32 + 3;

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

// Sums of doubles: 2^53 of them, below 2^1024, sum to less than 2^1077.
using ExactSum = BasicExactSum<-1074, 2152>;

// Sums of products of two doubles, multiples of 2^−2148 below 2^2048. The limbs begin 34 limbs below those of
// an ExactSum, so that a sum of doubles has the same digits, and the same text, in both.
using ProductSum = BasicExactSum<-1074 - 34 * 32, 2152 + 34 * 32 + 1024>;

}  // namespace hinge_embedding_loss
