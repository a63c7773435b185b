#pragma once

#include <algorithm>
#include <cstddef>
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
  static constexpr int kMaxBits = 2152;                        // of a sum below 2^1077
  static constexpr size_t kMaxTextLength = kMaxBits / 4 + 16;  // the digits, "-0x", "p" and an exponent

  // Leaves the limbs unset: start_limbs clears them before their first use.
  ExactSum() : ExactSum(SmallSum{0, 0}) {}
  explicit ExactSum(const SmallSum& small) : small_(small), special_(0), pending_(0), uses_limbs_(0) {}

  // Copies the limbs only if they are in use, as they are most of the memory.
  ExactSum(const ExactSum& other) { *this = other; }
  ExactSum& operator=(const ExactSum& other) {
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

  // Writes this text, of at most kMaxTextLength bytes, and returns its end.
  char* write_text(char* at) const;

  // Returns false, and leaves `sum` unspecified, if to_text never writes the text.
  static bool from_text(std::string_view text, ExactSum& sum);

  // Writes canonical bytes, at most kMaxTextLength and equal for equal sums, and returns their end: none for
  // zero; 'n', '+' or '-' for NaN and infinities; or |S| as an integer m · 2^(8 p − 1074), m not a multiple
  // of 2^8: 2 p + (1 if S is negative) in two bytes, and m. The first byte of each is the lowest.
  char* write_bytes(char* at) const;

  // Returns false, and leaves `sum` unspecified, if write_bytes never writes the bytes.
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
