#include "exact_sum.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace hinge_embedding_loss {

namespace {

constexpr int kLowestExponent = -1074;  // every finite double is an integer times 2^−1074

// Each deposit changes a limb by less than 2^32, so 2^29 of them stay below 2^61, and two such sums can
// merge.
constexpr uint32_t kMaxDeposits = 1u << 29;

// Floor-carries limbs [low, high - 1) into [0, 2^32): then each sum has one representation.
void propagate(int64_t* limbs, int low, int high) {
  int64_t carry = 0;
  for (int i = low; i < high - 1; i++) {
    const int64_t limb = limbs[i] + carry;
    carry = limb >> 32;
    limbs[i] = limb & 0xffffffff;
  }
  limbs[high - 1] += carry;
}

}  // namespace

// ±significand · 2^(position − 1074), where the significand is below 2^53.
struct ExactSum::Term {
  uint64_t significand;
  int position;
  bool is_negative;

  static Term of(double value) {
    const uint64_t bits = std::bit_cast<uint64_t>(value);
    const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
    const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    const bool is_negative = bits >> 63;
    if (exponent == 0) return {fraction, 0, is_negative};
    return {fraction | uint64_t{1} << 52, exponent - 1, is_negative};
  }

  // Infinite if the term is beyond the doubles, and exact otherwise.
  double value() const {
    const double magnitude = std::ldexp(static_cast<double>(significand), position + kLowestExponent);
    return is_negative ? -magnitude : magnitude;
  }

  int first_limb() const { return position / 32; }
  static constexpr int kLimbs = 3;

  void add_to(int64_t* limbs) const {
    const int shift = position % 32;
    const uint64_t low = significand << shift;
    const uint64_t high = shift == 0 ? 0 : significand >> (64 - shift);
    const int64_t sign = is_negative ? -1 : 1;
    int64_t* limb = limbs + first_limb();
    limb[0] += sign * static_cast<int64_t>(low & 0xffffffff);
    limb[1] += sign * static_cast<int64_t>(low >> 32);
    limb[2] += sign * static_cast<int64_t>(high);
  }
};

// |S| as an integer times 2^−1074, in base 2^32. Digits outside of [low, high) are 0 and not set; the last
// one of [low, high) is not 0.
struct ExactSum::Magnitude {
  uint32_t digits[kLimbs];
  int low = 0, high = 0;
  bool is_negative = false;

  explicit Magnitude(const ExactSum& sum) {
    int64_t limbs[kLimbs];
    const Term terms[] = {Term::of(sum.small_.head), Term::of(sum.small_.tail)};
    if (sum.uses_limbs_) {
      high = kLimbs;
      std::memcpy(limbs, sum.limbs_, sizeof limbs);
    } else {
      low = kLimbs;
      for (const Term& term : terms) {
        if (term.significand == 0) continue;
        low = std::min(low, term.first_limb());
        high = std::max(high, term.first_limb() + Term::kLimbs + 1);  // one more for the sign
      }
      low = std::min(low, high);
      std::fill(limbs + low, limbs + high, 0);
    }
    if (high == 0) return;
    for (const Term& term : terms) {
      if (term.significand != 0) term.add_to(limbs);
    }
    propagate(limbs, low, high);
    is_negative = limbs[high - 1] < 0;
    if (is_negative) {
      for (int i = low; i < high; i++) limbs[i] = -limbs[i];
      propagate(limbs, low, high);
    }
    for (int i = low; i < high; i++) digits[i] = static_cast<uint32_t>(limbs[i]);
    trim();
  }

  bool is_zero() const { return high == 0; }

  int bit_length() const { return is_zero() ? 0 : 32 * high - std::countl_zero(digits[high - 1]); }

  // The position of the first bit that is set, if any.
  int lowest_bit() const {
    int i = low;
    while (digits[i] == 0) i++;
    return 32 * i + std::countr_zero(digits[i]);
  }

  // Replaces the digits by those of the quotient down to the first of at least 75 bits, or to 2^−1074, and
  // returns the remainder. The divisor is below 2^53.
  uint64_t divide(uint64_t divisor) {
    const int begin = std::clamp(high - 5, 0, low);  // 5 digits are 2^128 or more
    std::fill(digits + begin, digits + low, 0);
    low = begin;
    uint64_t remainder = 0;
    for (int i = high - 1; i >= low; i--) {
      if (divisor >> 32 == 0) {
        const uint64_t dividend = remainder << 32 | digits[i];
        digits[i] = static_cast<uint32_t>(dividend / divisor);
        remainder = dividend % divisor;
      } else {
        const unsigned __int128 dividend = static_cast<unsigned __int128>(remainder) << 32 | digits[i];
        digits[i] = static_cast<uint32_t>(dividend / divisor);
        remainder = static_cast<uint64_t>(dividend % divisor);
      }
    }
    trim();
    return remainder;
  }

  // The 64 bits from `position` on.
  uint64_t bits(int position) const {
    const auto digit = [&](int i) { return i >= low && i < high ? uint64_t{digits[i]} : 0; };
    const int i = position / 32, shift = position % 32;
    const uint64_t first = (digit(i) | digit(i + 1) << 32) >> shift;
    return shift == 0 ? first : first | digit(i + 2) << (64 - shift);
  }

 private:
  void trim() {
    while (high > low && digits[high - 1] == 0) high--;
    if (high == low) low = high = 0;
  }
};

void ExactSum::add_to_limbs(double value) {
  if (std::isfinite(value)) {
    deposit(Term::of(value));
  } else {
    special_ += value;
  }
}

void ExactSum::add(const Term& term) {
  const double value = term.value();
  if (std::isfinite(value)) {
    add(value);
  } else {
    deposit(term);
  }
}

void ExactSum::deposit(const Term& term) {
  start_limbs();
  if (pending_ == kMaxDeposits) propagate_limbs();
  pending_++;
  term.add_to(limbs_);
}

void ExactSum::start_limbs() {
  if (uses_limbs_) return;
  std::memset(limbs_, 0, sizeof limbs_);
  pending_ = 0;
  uses_limbs_ = 1;
}

void ExactSum::propagate_limbs() {
  propagate(limbs_, 0, kLimbs);
  pending_ = 0;
}

void ExactSum::merge(const ExactSum& other) {
  const SmallSum small = other.small_;  // `other` may be this sum
  if (other.uses_limbs_) {
    start_limbs();
    for (int i = 0; i < kLimbs; i++) limbs_[i] += other.limbs_[i];
    pending_ += other.pending_ + 1;  // digits that the other's last propagate left count as one deposit
    if (pending_ > kMaxDeposits) propagate_limbs();
  }
  special_ += other.special_;
  add(small.head);
  if (small.tail != 0) add(small.tail);  // few sums have one
}

double ExactSum::round(uint64_t divisor) const {
  if (divisor == 0) return std::nan("");
  if (special_ != 0) return special_;
  if (!uses_limbs_ && divisor == 1) return small_.head + small_.tail;
  if (!uses_limbs_ && small_.tail == 0) return small_.head / static_cast<double>(divisor);
  Magnitude magnitude(*this);
  const uint64_t remainder = magnitude.divide(divisor);
  const int length = magnitude.bit_length();
  const int shift = length > 53 ? length - 53 : 0;
  uint64_t significand = magnitude.bits(shift) & ((uint64_t{1} << 53) - 1);
  // The discarded bits: `half` is the first of them, `below` is true if any lower bit is set.
  bool half, below;
  if (shift > 0) {
    half = magnitude.bits(shift - 1) & 1;
    below = magnitude.lowest_bit() < shift - 1 || remainder != 0;
  } else {
    half = 2 * remainder >= divisor;
    below = 2 * remainder != divisor;
  }
  if (half && (below || (significand & 1))) significand++;
  const double rounded = std::ldexp(static_cast<double>(significand), shift + kLowestExponent);
  return magnitude.is_negative ? -rounded : rounded;
}

bool ExactSum::is_zero() const { return special_ == 0 && Magnitude(*this).is_zero(); }

std::string ExactSum::to_text() const {
  char text[kMaxTextLength];
  return std::string(text, write_text(text));
}

char* ExactSum::write_text(char* at) const {
  const auto write = [&](std::string_view text) { return std::copy(text.begin(), text.end(), at); };
  if (special_ != 0) return write(std::isnan(special_) ? "NaN" : special_ > 0 ? "Infinity" : "-Infinity");
  const Magnitude magnitude(*this);
  if (magnitude.is_zero()) return write("0x0p+0");
  if (magnitude.is_negative) *at++ = '-';
  *at++ = '0';
  *at++ = 'x';
  const int last = magnitude.lowest_bit() / 4;
  for (int i = (magnitude.bit_length() - 1) / 4; i >= last; i--) {
    *at++ = "0123456789abcdef"[magnitude.digits[i / 8] >> (4 * (i % 8)) & 0xf];
  }
  const int exponent = kLowestExponent + 4 * last;
  *at++ = 'p';
  if (exponent >= 0) *at++ = '+';
  return std::to_chars(at, at + 5, exponent).ptr;
}

bool ExactSum::from_text(std::string_view text, ExactSum& sum) {
  sum = ExactSum();
  for (const double special : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    sum.special_ = special;
    if (sum.to_text() == text) return true;
  }
  sum.special_ = 0;

  std::string_view rest = text;
  const bool is_negative = rest.starts_with('-');
  if (is_negative) rest.remove_prefix(1);
  if (!rest.starts_with("0x")) return false;
  rest.remove_prefix(2);
  const size_t p = rest.find('p');
  if (p == std::string_view::npos || p > kMaxBits / 4) return false;
  std::string_view digits = rest.substr(0, p);
  std::string_view power = rest.substr(p + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (error != std::errc() || exponent < kLowestExponent || exponent > 1077) return false;

  int position = exponent - kLowestExponent;
  if (position + 4 * static_cast<int>(digits.size()) > kMaxBits) return false;
  constexpr size_t kTermDigits = 13;
  while (!digits.empty()) {
    const std::string_view last = digits.substr(digits.size() - std::min(digits.size(), kTermDigits));
    Term term{0, position, is_negative};
    std::from_chars(last.data(), last.data() + last.size(), term.significand, 16);
    sum.add(term);
    digits.remove_suffix(last.size());
    position += 4 * static_cast<int>(last.size());
  }
  // Text is canonical, so any other error in it shows here.
  return sum.to_text() == text;
}

char* ExactSum::write_bytes(char* at) const {
  if (special_ != 0) {
    *at++ = std::isnan(special_) ? 'n' : special_ > 0 ? '+' : '-';
    return at;
  }
  const Magnitude magnitude(*this);
  if (magnitude.is_zero()) return at;
  const int first = magnitude.lowest_bit() / 8;
  const int header = 2 * first + magnitude.is_negative;
  *at++ = static_cast<char>(header);
  *at++ = static_cast<char>(header >> 8);
  for (int i = first; i < (magnitude.bit_length() + 7) / 8; i++) {
    *at++ = static_cast<char>(magnitude.digits[i / 4] >> (8 * (i % 4)));
  }
  return at;
}

bool ExactSum::from_bytes(std::string_view bytes, ExactSum& sum) {
  sum = ExactSum();
  if (bytes.empty()) return true;
  if (bytes.size() == 1) {
    sum.special_ = bytes == "n" ? std::nan("") : bytes == "+" ? HUGE_VAL : bytes == "-" ? -HUGE_VAL : 0;
    return sum.special_ != 0;
  }
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const int header = byte(0) | byte(1) << 8;
  const bool is_negative = header & 1;
  int position = 8 * (header / 2);
  bytes.remove_prefix(2);
  if (position + 8 * bytes.size() > kMaxBits) return false;
  if (bytes.empty() || bytes.front() == 0 || bytes.back() == 0) return false;  // not canonical
  constexpr size_t kTermBytes = 6;
  for (size_t begin = 0, end; begin < bytes.size(); begin = end) {
    end = std::min(bytes.size(), begin + kTermBytes);
    Term term{0, position, is_negative};
    for (size_t i = end; i-- > begin;) term.significand = term.significand << 8 | byte(i);
    sum.add(term);
    position += 8 * kTermBytes;
  }
  return true;
}

}  // namespace hinge_embedding_loss
