#include "exact_sum.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace hinge_embedding_loss {

namespace {

constexpr int kLowestExponent = -1074;  // every finite double is an integer times 2^−1074
constexpr int kMaxHexDigits = 538;      // of a sum below 2^1077

// Each deposit changes a limb by less than 2^32, so 2^29 of them stay below 2^61, and two such sums can
// merge.
constexpr uint32_t kMaxDeposits = 1u << 29;

}  // namespace

// |S| as an integer times 2^−1074, in base 2^32.
struct ExactSum::Magnitude {
  uint32_t digits[kLimbs];
  int length;  // without leading zeros
  bool is_negative;

  explicit Magnitude(const ExactSum& sum) {
    ExactSum copy = sum;
    copy.start_limbs();
    copy.deposit(copy.head_);
    copy.propagate();
    is_negative = copy.limbs_[kLimbs - 1] < 0;
    if (is_negative) {
      for (int64_t& limb : copy.limbs_) limb = -limb;
      copy.propagate();
    }
    length = 0;
    for (int i = 0; i < kLimbs; i++) {
      digits[i] = static_cast<uint32_t>(copy.limbs_[i]);
      if (digits[i] != 0) length = i + 1;
    }
  }

  // Replaces the digits by the quotient and returns the remainder.
  uint64_t divide(uint64_t divisor) {
    unsigned __int128 remainder = 0;
    for (int i = length - 1; i >= 0; i--) {
      const unsigned __int128 dividend = remainder << 32 | digits[i];
      digits[i] = static_cast<uint32_t>(dividend / divisor);
      remainder = dividend % divisor;
    }
    while (length > 0 && digits[length - 1] == 0) length--;
    return static_cast<uint64_t>(remainder);
  }

  int bit_length() const { return length == 0 ? 0 : 32 * length - std::countl_zero(digits[length - 1]); }

  bool bit_at(int position) const { return digits[position / 32] >> (position % 32) & 1; }

  bool has_bit_below(int position) const {
    for (int i = 0; i < position / 32; i++) {
      if (digits[i] != 0) return true;
    }
    return position % 32 != 0 && digits[position / 32] << (32 - position % 32) != 0;
  }

  // The 53 bits from `position` on.
  uint64_t bits53(int position) const {
    uint64_t bits = 0;
    for (int i = 0; i < 53 && position + i < 32 * kLimbs; i++) bits |= uint64_t{bit_at(position + i)} << i;
    return bits;
  }
};

void ExactSum::add_inexact(double value, double sum, double error) {
  if (std::isfinite(error)) {
    head_ = sum;
    deposit(error);
  } else if (std::isfinite(value)) {  // TwoSum overflowed
    deposit(value);
  } else {
    special_ += value;
  }
}

void ExactSum::deposit(double value) {
  start_limbs();
  if (pending_ == kMaxDeposits) propagate();
  pending_++;
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const uint64_t significand = exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
  const int position = exponent == 0 ? 0 : exponent - 1;
  const int shift = position % 32;
  const uint64_t low = significand << shift;
  const uint64_t high = shift == 0 ? 0 : significand >> (64 - shift);
  const int64_t sign = static_cast<int64_t>(bits) < 0 ? -1 : 1;
  int64_t* limb = limbs_ + position / 32;
  limb[0] += sign * static_cast<int64_t>(low & 0xffffffff);
  limb[1] += sign * static_cast<int64_t>(low >> 32);
  limb[2] += sign * static_cast<int64_t>(high);
}

void ExactSum::start_limbs() {
  if (uses_limbs_) return;
  std::memset(limbs_, 0, sizeof limbs_);
  pending_ = 0;
  uses_limbs_ = 1;
}

// Floor-carries every limb except the top one into [0, 2^32): then each sum has one representation.
void ExactSum::propagate() {
  int64_t carry = 0;
  for (int i = 0; i < kLimbs - 1; i++) {
    const int64_t limb = limbs_[i] + carry;
    carry = limb >> 32;
    limbs_[i] = limb & 0xffffffff;
  }
  limbs_[kLimbs - 1] += carry;
  pending_ = 0;
}

void ExactSum::merge(const ExactSum& other) {
  if (other.uses_limbs_) {
    start_limbs();
    for (int i = 0; i < kLimbs; i++) limbs_[i] += other.limbs_[i];
    pending_ += other.pending_ + 1;  // digits that the other's last propagate left count as one deposit
    if (pending_ > kMaxDeposits) propagate();
  }
  special_ += other.special_;
  add(other.head_);
}

double ExactSum::round(uint64_t divisor) const {
  if (divisor == 0) return std::nan("");
  if (special_ != 0) return special_;
  if (!uses_limbs_) return head_ / static_cast<double>(divisor);
  Magnitude magnitude(*this);
  const uint64_t remainder = magnitude.divide(divisor);
  const int length = magnitude.bit_length();
  const int shift = length > 53 ? length - 53 : 0;
  uint64_t significand = magnitude.bits53(shift);
  // The discarded bits: `half` is the first of them, `below` is true if any lower bit is set.
  bool half, below;
  if (shift > 0) {
    half = magnitude.bit_at(shift - 1);
    below = magnitude.has_bit_below(shift - 1) || remainder != 0;
  } else {
    half = 2 * remainder >= divisor;
    below = 2 * remainder != divisor;
  }
  if (half && (below || (significand & 1))) significand++;
  const double rounded = std::ldexp(static_cast<double>(significand), shift + kLowestExponent);
  return magnitude.is_negative ? -rounded : rounded;
}

bool ExactSum::is_zero() const { return special_ == 0 && Magnitude(*this).length == 0; }

std::string ExactSum::to_text() const {
  if (special_ != 0) return std::isnan(special_) ? "NaN" : special_ > 0 ? "Infinity" : "-Infinity";
  const Magnitude magnitude(*this);
  if (magnitude.length == 0) return "0x0p+0";
  std::string digits;
  for (int i = 8 * magnitude.length - 1; i >= 0; i--) {
    const unsigned digit = magnitude.digits[i / 8] >> (4 * (i % 8)) & 0xf;
    if (digit != 0 || !digits.empty()) digits += "0123456789abcdef"[digit];
  }
  const size_t last = digits.find_last_not_of('0');
  const int exponent = kLowestExponent + 4 * static_cast<int>(digits.size() - 1 - last);
  digits.resize(last + 1);
  std::string text = magnitude.is_negative ? "-0x" : "0x";
  text += digits;
  text += exponent < 0 ? "p" : "p+";
  text += std::to_string(exponent);
  return text;
}

bool ExactSum::from_text(std::string_view text, ExactSum& sum) {
  sum = ExactSum();
  const std::string_view original = text;
  for (const double special : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    sum.special_ = special;
    if (sum.to_text() == original) return true;
  }
  sum.special_ = 0;

  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  if (!text.starts_with("0x")) return false;
  text.remove_prefix(2);
  const size_t p = text.find('p');
  if (p == std::string_view::npos || p > kMaxHexDigits) return false;
  const std::string_view digits = text.substr(0, p);
  std::string_view power = text.substr(p + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (error != std::errc() || exponent < kLowestExponent || exponent > 1077) return false;

  sum.start_limbs();
  int place = (exponent - kLowestExponent) / 4;
  if (place + static_cast<int>(digits.size()) > kMaxHexDigits) return false;
  for (size_t i = digits.size(); i-- > 0; place++) {
    int64_t digit = 0;
    std::from_chars(&digits[i], &digits[i] + 1, digit, 16);
    sum.limbs_[place / 8] |= digit << (4 * (place % 8));
  }
  if (is_negative) {
    for (int64_t& limb : sum.limbs_) limb = -limb;
    sum.propagate();
  }
  // Text is canonical, so any other error in it shows here.
  return sum.to_text() == original;
}

}  // namespace hinge_embedding_loss
