#include "text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace hinge_embedding_loss::duckdb {

namespace {

// The powers of ten that scale a double to an integer of 16 or 17 digits: 2^127 ≤ ⌈10^n · 2^s⌉ < 2^128.
class PowersOfTen {
 public:
  static constexpr int kLowest = -292, kHighest = 324;

  PowersOfTen() {
    Digits power{};
    power[0] = 1;
    for (int n = 0; n <= kHighest; n++) {
      set(n, power, false);
      uint64_t carry = 0;
      for (uint32_t& digit : power) {
        carry += uint64_t{digit} * 10;
        digit = static_cast<uint32_t>(carry);
        carry >>= 32;
      }
    }
    power = {};
    power[kDigits - 1] = 1u << 31;
    for (int n = -1; n >= kLowest; n--) {
      uint64_t remainder = 0;
      for (size_t i = kDigits; i-- > 0;) {
        const uint64_t dividend = remainder << 32 | power[i];
        power[i] = static_cast<uint32_t>(dividend / 10);
        remainder = dividend % 10;
      }
      set(n, power, true);
    }
  }

  // The upper 64 bits of the 192-bit product power · factor, whose lowest bit is set if lower bits are.
  uint64_t multiply(int n, uint64_t factor) const {
    const auto& [high, low] = powers_[n - kLowest];
    const unsigned __int128 product =
        static_cast<unsigned __int128>(high) * factor + (static_cast<unsigned __int128>(low) * factor >> 64);
    return static_cast<uint64_t>(product >> 64) | (static_cast<uint64_t>(product) > 1);
  }

 private:
  // 10^324 has 1,077 bits; 2^1151 / 10^292 has 181.
  static constexpr size_t kDigits = 36;
  using Digits = std::array<uint32_t, kDigits>;

  struct Power {
    uint64_t high, low;
  };

  // The first 128 bits, plus 1 if a rest is left out.
  void set(int n, const Digits& digits, bool has_rest) {
    size_t top = kDigits - 1;
    while (digits[top] == 0) top--;
    const int shift = std::countl_zero(digits[top]);
    // Five digits hold 128 bits at any shift.
    unsigned __int128 bits = 0;
    for (size_t k = 0; k < 4; k++) bits = bits << 32 | (top >= k ? digits[top - k] : 0);
    const uint32_t fifth = top >= 4 ? digits[top - 4] : 0;
    if (shift > 0) bits = bits << shift | fifth >> (32 - shift);
    has_rest |= static_cast<uint32_t>(fifth << shift) != 0;
    for (size_t i = 0; i + 4 < top; i++) has_rest |= digits[i] != 0;
    bits += has_rest;
    powers_[n - kLowest] = {static_cast<uint64_t>(bits >> 64), static_cast<uint64_t>(bits)};
  }

  Power powers_[kHighest - kLowest + 1];
};

// The decimal number digits · 10^exponent.
struct Decimal {
  uint64_t digits;
  int exponent;
};

// The decimal number of fewest digits that rounds to the value, and the nearest of these: the algorithm
// Schubfach of R. Giulietti. The value is positive and finite.
Decimal shortest_decimal(double value) {
  static const PowersOfTen& powers = *new PowersOfTen;  // never destroyed, as DuckDB's threads may be running
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const int biased = static_cast<int>(bits >> 52);
  // value = significand · 2^power
  const uint64_t significand = biased == 0 ? fraction : fraction | uint64_t{1} << 52;
  const int power = std::max(biased, 1) - 1075;
  if (-53 < power && power <= 0 && std::countr_zero(significand) >= -power) return {significand >> -power, 0};

  // Below a power of two the doubles are closer together.
  const bool is_lower_closer = fraction == 0 && biased > 1;
  // ⌊log10⌋ of the width of the interval that rounds to the value, as 10^exponent
  const int exponent = (power * 1262611 - (is_lower_closer ? 524031 : 0)) >> 22;
  const int shift = power + (-exponent * 1741647 >> 19) + 1;
  const auto scale = [&](uint64_t quarters) { return powers.multiply(-exponent, quarters << shift); };
  // In quarters of 10^exponent: the value, and the first and last ones that round to it. A tie rounds to
  // even.
  const bool is_odd = significand % 2 != 0;
  const uint64_t scaled = scale(4 * significand);
  const uint64_t first = scale(4 * significand - 2 + is_lower_closer) + is_odd;
  const uint64_t last = scale(4 * significand + 2) - is_odd;
  const uint64_t below = scaled / 4;
  const uint64_t tens = below / 10;
  const bool is_ten_inside = first <= 40 * tens, is_next_ten_inside = 40 * tens + 40 <= last;
  if (below >= 10 && is_ten_inside != is_next_ten_inside) return {tens + is_next_ten_inside, exponent + 1};
  const bool is_below_inside = first <= 4 * below, is_above_inside = 4 * below + 4 <= last;
  if (is_below_inside != is_above_inside) return {below + is_above_inside, exponent};
  const uint64_t middle = 4 * below + 2;
  return {below + (scaled > middle || (scaled == middle && below % 2 != 0)), exponent};
}

}  // namespace

double parse_number(const std::string& text) {
  const size_t point = text.find('.');
  if (point == std::string::npos) return std::strtod(text.c_str(), nullptr);
  // strtod expects the decimal point of the process's locale: an integer with an exponent needs none.
  const size_t end = std::min(text.find_first_of("eE", point), text.size());
  constexpr int64_t kMaxExponent = int64_t{1} << 62;  // no text has as many decimals
  const int64_t exponent = end == text.size() ? 0 : std::strtoll(text.c_str() + end + 1, nullptr, 10);
  const int64_t decimals = static_cast<int64_t>(end - point - 1);
  const std::string digits = text.substr(0, point) + text.substr(point + 1, end - point - 1);
  const int64_t last = std::clamp(exponent, -kMaxExponent, kMaxExponent) - decimals;
  return std::strtod((digits + "e" + std::to_string(last)).c_str(), nullptr);
}

bool is_plain_number(std::string_view text) {
  const auto skip_digits = [&] {
    const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(end);
    return end > 0;
  };
  const auto skip = [&](std::string_view characters) {
    const bool is_next = !text.empty() && characters.find(text[0]) != std::string_view::npos;
    if (is_next) text.remove_prefix(1);
    return is_next;
  };
  if (!skip_digits()) return false;
  if (skip(".") && !skip_digits()) return false;
  if (skip("e")) {
    skip("+-");
    if (!skip_digits()) return false;
  }
  return text.empty();
}

char* write_number(char* at, double value) {
  if (std::isnan(value)) return write_text(at, "NaN");
  if (value < 0) *at++ = '-';
  if (std::isinf(value)) return write_text(at, "Infinity");
  if (value == 0) return write_text(at, "0");
  const Decimal shortest = shortest_decimal(std::abs(value));
  char digits[kMaxNumberLength];
  char* end = write_integer(digits, shortest.digits);

  const int point = static_cast<int>(end - digits) + shortest.exponent;  // digits before the decimal point
  while (end[-1] == '0') end--;
  const int length = static_cast<int>(end - digits);
  if (length <= point && point <= 21) return std::fill_n(std::copy(digits, end, at), point - length, '0');
  if (0 < point && point <= 21) {
    at = std::copy(digits, digits + point, at);
    *at++ = '.';
    return std::copy(digits + point, end, at);
  }
  if (-6 < point && point <= 0) {
    return std::copy(digits, end, std::fill_n(write_text(at, "0."), -point, '0'));
  }
  *at++ = digits[0];
  if (length > 1) {
    *at++ = '.';
    at = std::copy(digits + 1, end, at);
  }
  return write_integer(write_text(at, point < 1 ? "e" : "e+"), point - 1);
}

std::string format_number(double value) {
  char text[kMaxNumberLength];
  return std::string(text, write_number(text, value));
}

std::string excerpt(std::string_view text) {
  size_t length = 40;
  if (text.size() <= length) return std::string(text);
  while (length > 0 && (text[length] & 0xc0) == 0x80) length--;
  return std::string(text.substr(0, length)) + "…";
}

}  // namespace hinge_embedding_loss::duckdb
