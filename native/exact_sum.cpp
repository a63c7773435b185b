#include "exact_sum.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace hinge_embedding_loss {

namespace {

constexpr int kLeastDouble = -1074;  // every finite double is an integer times 2^−1074

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

// Rounds q · 2^exponent once, to nearest and ties to even, where 2^53 < q: `beyond` is true if a part of less
// than 1 was cut off q.
double round_quotient(uint64_t q, int exponent, bool beyond) {
  const int length = 64 - std::countl_zero(q);
  const int kept = std::min(53, length + exponent - kLeastDouble);  // fewer for subnormals
  if (kept < 0) return 0;
  const int shift = length - kept;  // from 1 to 64
  uint64_t significand = shift == 64 ? 0 : q >> shift;
  const uint64_t half = uint64_t{1} << (shift - 1);
  const uint64_t rest = q & (half - 1 + half);
  if (rest > half || (rest == half && (beyond || (significand & 1)))) significand++;
  return std::ldexp(static_cast<double>(significand), exponent + shift);
}

}  // namespace

// ±significand · 2^(position + kLowestExponent), where the significand is below 2^53.
template <int kLowestExponent, int kMaxBits>
struct BasicExactSum<kLowestExponent, kMaxBits>::Term {
  uint64_t significand;
  int position;
  bool is_negative;

  static Term of(double value) {
    constexpr int kLeastPosition = kLeastDouble - kLowestExponent;
    const uint64_t bits = std::bit_cast<uint64_t>(value);
    const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
    const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    const bool is_negative = bits >> 63;
    if (exponent == 0) return {fraction, kLeastPosition, is_negative};
    return {fraction | uint64_t{1} << 52, kLeastPosition + exponent - 1, is_negative};
  }

  // Infinite if the term is not a double, and exact otherwise.
  double value() const {
    const int exponent = position + kLowestExponent;
    if (exponent < kLeastDouble) return HUGE_VAL;
    const double magnitude = std::ldexp(static_cast<double>(significand), exponent);
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

// |S| as an integer times 2^kLowestExponent, in base 2^32. Digits outside of [low, high) are 0 and not set;
// the last one of [low, high) is not 0.
template <int kLowestExponent, int kMaxBits>
struct BasicExactSum<kLowestExponent, kMaxBits>::Magnitude {
  uint32_t digits[kLimbs];
  int low = 0, high = 0;
  bool is_negative = false;

  explicit Magnitude(const BasicExactSum& sum) {
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

  // Writes the first 32 · size bits, the last digit first. The magnitude is not zero.
  void write_aligned(uint32_t* out, int size) const {
    const int shift = std::countl_zero(digits[high - 1]);
    const auto digit = [&](int i) { return i >= low && i < high ? uint64_t{digits[i]} : 0; };
    for (int k = 1; k <= size; k++) {
      const uint64_t pair = digit(high - k) << 32 | digit(high - k - 1);
      out[size - k] = static_cast<uint32_t>(pair >> (32 - shift));
    }
  }

  // Replaces the digits by those of the quotient down to the first of at least 75 bits, or to the unit, and
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

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::add_to_limbs(double value) {
  if (std::isfinite(value)) {
    deposit(Term::of(value));
  } else {
    special_ += value;
  }
}

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::add(const Term& term) {
  const double value = term.value();
  if (std::isfinite(value)) {
    add(value);
  } else {
    deposit(term);
  }
}

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::deposit(const Term& term) {
  start_limbs();
  if (pending_ == kMaxDeposits) propagate_limbs();
  pending_++;
  term.add_to(limbs_);
}

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::start_limbs() {
  if (uses_limbs_) return;
  std::memset(limbs_, 0, sizeof limbs_);
  pending_ = 0;
  uses_limbs_ = 1;
}

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::propagate_limbs() {
  propagate(limbs_, 0, kLimbs);
  pending_ = 0;
}

template <int kLowestExponent, int kMaxBits>
void BasicExactSum<kLowestExponent, kMaxBits>::add_product(double a, double b)
  requires(kLowestExponent <= 2 * -1074)
{
  double product_of_doubles, error;
  if (two_product(a, b, product_of_doubles, error)) {
    add(product_of_doubles);
    add(error);
    return;
  }
  if (!std::isfinite(a) || !std::isfinite(b)) {
    special_ += product_of_doubles;
    return;
  }
  // The product of two significands has 106 bits: two terms.
  constexpr int kHalfBits = 53;
  const Term first = Term::of(a), second = Term::of(b);
  const unsigned __int128 product = static_cast<unsigned __int128>(first.significand) * second.significand;
  const int position = first.position + second.position + kLowestExponent;
  const bool is_negative = first.is_negative != second.is_negative;
  const auto low = static_cast<uint64_t>(product) & ((uint64_t{1} << kHalfBits) - 1);
  const auto high = static_cast<uint64_t>(product >> kHalfBits);
  if (low != 0) add(Term{low, position, is_negative});
  if (high != 0) add(Term{high, position + kHalfBits, is_negative});
}

template <int kLowestExponent, int kMaxBits>
template <int kOtherLowest, int kOtherBits>
void BasicExactSum<kLowestExponent, kMaxBits>::merge(const BasicExactSum<kOtherLowest, kOtherBits>& other) {
  constexpr int kFirst = (kOtherLowest - kLowestExponent) / 32;
  static_assert(kOtherLowest == kLowestExponent + 32 * kFirst && kOtherBits + 32 * kFirst <= kMaxBits);
  const SmallSum small = other.small_;  // `other` may be this sum
  if (other.uses_limbs_) {
    start_limbs();
    for (int i = 0; i < other.kLimbs; i++) limbs_[kFirst + i] += other.limbs_[i];
    pending_ += other.pending_ + 1;  // digits that the other's last propagate left count as one deposit
    if (pending_ > kMaxDeposits) propagate_limbs();
  }
  special_ += other.special_;
  add(small.head);
  if (small.tail != 0) add(small.tail);  // few sums have one
}

template <int kLowestExponent, int kMaxBits>
double BasicExactSum<kLowestExponent, kMaxBits>::round(uint64_t divisor) const {
  if (divisor == 0) return std::nan("");
  if (special_ != 0) return special_;
  if (!uses_limbs_ && divisor == 1) return small_.head + small_.tail;
  if (!uses_limbs_ && small_.tail == 0) return small_.head / static_cast<double>(divisor);
  Magnitude magnitude(*this);
  const uint64_t remainder = magnitude.divide(divisor);
  const int length = magnitude.bit_length();
  const int shift = length - std::min(53, length + kLowestExponent - kLeastDouble);  // 0 or more
  uint64_t significand = magnitude.bits(shift) & ((uint64_t{1} << 53) - 1);
  // The discarded bits: `half` is the first of them, `below` is true if any lower bit is set.
  bool half, below;
  if (shift > 0) {
    half = magnitude.bits(shift - 1) & 1;
    below = remainder != 0 || (!magnitude.is_zero() && magnitude.lowest_bit() < shift - 1);
  } else {
    half = 2 * remainder >= divisor;
    below = 2 * remainder != divisor;
  }
  if (half && (below || (significand & 1))) significand++;
  const double rounded = std::ldexp(static_cast<double>(significand), shift + kLowestExponent);
  return magnitude.is_negative ? -rounded : rounded;
}

template <int kLowestExponent, int kMaxBits>
template <int kOtherLowest, int kOtherBits>
double BasicExactSum<kLowestExponent, kMaxBits>::round(
    const BasicExactSum<kOtherLowest, kOtherBits>& divisor) const {
  const bool are_doubles =
      !uses_limbs_ && !divisor.uses_limbs_ && small_.tail == 0 && divisor.small_.tail == 0;
  if (divisor.is_zero()) return std::nan("");
  if (special_ != 0) return special_;
  if (are_doubles) return small_.head / divisor.small_.head;
  const Magnitude dividend(*this);
  if (dividend.is_zero()) return 0;
  const typename BasicExactSum<kOtherLowest, kOtherBits>::Magnitude by(divisor);

  // Long division of dividend · 2^a by divisor · 2^b, with a and b so that the first bits of both are
  // aligned. 64 steps give the quotient to 63 bits at least, of which the first is 1 or 1/2.
  constexpr int kMaxDigits = std::max(kLimbs, BasicExactSum<kOtherLowest, kOtherBits>::kLimbs);
  uint32_t rest[kMaxDigits], subtrahend[kMaxDigits];
  const int size = std::max(dividend.high - dividend.low, by.high - by.low) + 1;
  dividend.write_aligned(rest, size);
  by.write_aligned(subtrahend, size);
  uint64_t quotient = 0, carry = 0;
  for (int step = 0; step < 64; step++) {
    int i = size - 1;
    while (i > 0 && rest[i] == subtrahend[i]) i--;
    const bool is_contained = carry != 0 || rest[i] >= subtrahend[i];
    quotient = quotient << 1 | is_contained;
    int64_t borrow = 0;
    carry = 0;
    for (int k = 0; k < size; k++) {
      borrow += static_cast<int64_t>(rest[k]) - (is_contained ? subtrahend[k] : 0);
      carry |= static_cast<uint64_t>(static_cast<uint32_t>(borrow)) << 1;
      rest[k] = static_cast<uint32_t>(carry);
      carry >>= 32;
      borrow >>= 32;
    }
  }
  const bool beyond = carry != 0 || std::any_of(rest, rest + size, [](uint32_t digit) { return digit != 0; });
  const int exponent = dividend.bit_length() + kLowestExponent - by.bit_length() - kOtherLowest - 63;
  const double rounded = round_quotient(quotient, exponent, beyond);
  return dividend.is_negative ? -rounded : rounded;
}

template <int kLowestExponent, int kMaxBits>
bool BasicExactSum<kLowestExponent, kMaxBits>::is_zero() const {
  return special_ == 0 && Magnitude(*this).is_zero();
}

template <int kLowestExponent, int kMaxBits>
bool BasicExactSum<kLowestExponent, kMaxBits>::is_negative() const {
  return special_ < 0 || (special_ == 0 && Magnitude(*this).is_negative);
}

template <int kLowestExponent, int kMaxBits>
bool BasicExactSum<kLowestExponent, kMaxBits>::is_long(LongSum& sum) const {
  sum = {};
  if (special_ != 0) return false;
  if (!uses_limbs_) return sum.add(small_.head) && sum.add(small_.tail);
  constexpr int kPartBits = 53;
  const Magnitude magnitude(*this);
  int position = magnitude.bit_length();
  for (int k = 0; k < LongSum::kParts && position > 0; k++) {
    const int end = position;
    position = std::max(end - kPartBits, 0);
    const uint64_t part = magnitude.bits(position) & ((uint64_t{1} << (end - position)) - 1);
    const double value = Term{part, position, magnitude.is_negative}.value();
    if (part != 0 && (!std::isfinite(value) || !sum.add(value))) return false;
  }
  return magnitude.is_zero() || magnitude.lowest_bit() >= position;
}

template <int kLowestExponent, int kMaxBits>
std::string BasicExactSum<kLowestExponent, kMaxBits>::to_text() const {
  char text[kMaxTextLength];
  return std::string(text, write_text(text));
}

template <int kLowestExponent, int kMaxBits>
char* BasicExactSum<kLowestExponent, kMaxBits>::write_text(char* at) const {
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

template <int kLowestExponent, int kMaxBits>
bool BasicExactSum<kLowestExponent, kMaxBits>::from_text(std::string_view text, BasicExactSum& sum) {
  sum = BasicExactSum();
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
  const bool is_possible = exponent >= kLowestExponent && exponent < kLowestExponent + kMaxBits;
  if (error != std::errc() || !is_possible) return false;

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

template <int kLowestExponent, int kMaxBits>
char* BasicExactSum<kLowestExponent, kMaxBits>::write_bytes(char* at) const {
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

template <int kLowestExponent, int kMaxBits>
bool BasicExactSum<kLowestExponent, kMaxBits>::from_bytes(std::string_view bytes, BasicExactSum& sum) {
  sum = BasicExactSum();
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

template class BasicExactSum<-1074, 2152>;
template class BasicExactSum<-1074 - 34 * 32, 2152 + 34 * 32 + 1024>;
template void ExactSum::merge(const ExactSum&);
template void ProductSum::merge(const ProductSum&);
template void ProductSum::merge(const ExactSum&);
template double ProductSum::round(const ExactSum&) const;

}  // namespace hinge_embedding_loss
