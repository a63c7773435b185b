#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

// Text of numbers as ECMA-262 defines it, in any locale of the process.
namespace hinge_embedding_loss::duckdb {

// The nearest double, as Number(text), for the text of a decimal number.
double parse_number(const std::string& text);

// True of digits, perhaps with a point and more digits, perhaps with an exponent: 3, 0.5 or 1e-3.
bool is_plain_number(std::string_view text);

// The shortest text, as Number::toString.
std::string format_number(double value);

// Each of these writes text and returns its end. A number has at most kMaxNumberLength bytes, as in
// "-0.0000012345678901234567".
constexpr size_t kMaxNumberLength = 25;
char* write_number(char* at, double value);

template <class Integer>
char* write_integer(char* at, Integer value) {
  return std::to_chars(at, at + kMaxNumberLength, value).ptr;
}

inline char* write_text(char* at, std::string_view text) { return std::copy(text.begin(), text.end(), at); }

// The first 40 bytes of UTF-8 text, without a character that is cut, and "…"; or all of a shorter text.
std::string excerpt(std::string_view text);

}  // namespace hinge_embedding_loss::duckdb
