#pragma once

#include <string>
#include <string_view>

// Text of numbers as ECMA-262 defines it, in any locale of the process.
namespace hinge_embedding_loss::duckdb {

// The nearest double, as Number(text), for the text of a decimal number.
double parse_number(const std::string& text);

// The shortest text, as Number::toString.
std::string format_number(double value);

// The first 40 bytes of UTF-8 text, without a character that is cut, and "…"; or all of a shorter text.
std::string excerpt(std::string_view text);

}  // namespace hinge_embedding_loss::duckdb
