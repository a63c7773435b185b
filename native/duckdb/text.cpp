#include "text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace hinge_embedding_loss::duckdb {

namespace {

// The decimal number d.ddd · 10^exponent.
struct Decimal {
  std::string digits;
  int exponent;
};

// The decimal number of `count` digits that is nearest to the value.
Decimal round_to_digits(double value, int count) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.*e", count - 1, value);
  Decimal nearest{"", 0};
  const char* at = buffer;
  for (; *at != 'e'; at++) {
    if (*at >= '0' && *at <= '9') nearest.digits += *at;  // skips the decimal point of any locale
  }
  nearest.exponent = std::atoi(at + 1);
  return nearest;
}

// The next larger decimal number of as many digits.
Decimal increment(Decimal number) {
  size_t i = number.digits.size();
  while (i > 0 && number.digits[i - 1] == '9') number.digits[--i] = '0';
  if (i > 0) {
    number.digits[i - 1]++;
  } else {
    number.digits.insert(number.digits.begin(), '1');
    number.digits.pop_back();
    number.exponent++;
  }
  return number;
}

double value_of(const Decimal& number) {
  const int last = number.exponent - static_cast<int>(number.digits.size()) + 1;
  return parse_number(number.digits + "e" + std::to_string(last));
}

// The decimal number of fewest digits that parses to the value. Doubles are closer together below a power of
// two: the nearest decimal number may parse to the double below it, and the next one to the value.
Decimal shortest_decimal(double value) {
  for (int count = 1; count < 17; count++) {
    const Decimal nearest = round_to_digits(value, count);
    if (value_of(nearest) == value) return nearest;
    const Decimal next = increment(nearest);
    if (value_of(next) == value) return next;
  }
  return round_to_digits(value, 17);
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

std::string format_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == 0) return "0";
  const auto [digits, exponent] = shortest_decimal(std::abs(value));

  const int length = static_cast<int>(digits.size());
  const int point = exponent + 1;  // digits before the decimal point
  std::string text = value < 0 ? "-" : "";
  if (length <= point && point <= 21) return text + digits + std::string(point - length, '0');
  if (0 < point && point <= 21) return text + digits.substr(0, point) + "." + digits.substr(point);
  if (-6 < point && point <= 0) return text + "0." + std::string(-point, '0') + digits;
  text += digits[0];
  if (length > 1) text += "." + digits.substr(1);
  return text + (exponent < 0 ? "e" : "e+") + std::to_string(exponent);
}

std::string excerpt(std::string_view text) {
  size_t length = 40;
  if (text.size() <= length) return std::string(text);
  while (length > 0 && (text[length] & 0xc0) == 0x80) length--;
  return std::string(text.substr(0, length)) + "…";
}

}  // namespace hinge_embedding_loss::duckdb
