#include "scoring.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace hinge_embedding_loss {

namespace {

constexpr double kLabelMax = 1 << 24;

bool is_label(double value) { return std::abs(value) <= kLabelMax && value == std::trunc(value); }

}  // namespace

std::string excerpt(std::string_view text) {
  size_t length = 40;
  if (text.size() <= length) return std::string(text);
  while (length > 0 && (text[length] & 0xc0) == 0x80) length--;
  return std::string(text.substr(0, length)) + "…";
}

std::string read_scoring(double margin, double positive_label, double negative_label,
                         std::string_view other_labels, Scoring& scoring) {
  if (!std::isfinite(margin)) return "margin must be a finite number, got " + number_text(margin);
  const std::string range = " must be an integer within ±2^24, got ";
  if (!is_label(positive_label)) return "positive_label" + range + number_text(positive_label);
  if (!is_label(negative_label)) return "negative_label" + range + number_text(negative_label);
  if (positive_label == negative_label) {
    const std::string label = number_text(positive_label);
    return "negative_label must be other than positive_label, " + label + ", got " + label;
  }
  const auto name = std::find(std::begin(kPolicyNames), std::end(kPolicyNames), other_labels);
  if (name == std::end(kPolicyNames)) {
    return "other_labels must be 'error', 'zero' or 'ignore', got '" + excerpt(other_labels) + "'";
  }
  scoring.settings = {margin + 0, static_cast<int32_t>(positive_label), static_cast<int32_t>(negative_label)};
  scoring.policy = static_cast<OtherLabelPolicy>(name - kPolicyNames);
  return "";
}

std::string other_label_error(const Settings& settings, double label) {
  const auto& [_, positive, negative] = settings;
  const std::string advice = label == 0 && positive == 1
                                 ? "negative_label 0 reads 0/1 labels"
                                 : "positive_label and negative_label name the encoding; other_labels 'zero' "
                                   "or 'ignore' lets others pass";
  return "label must be " + std::to_string(positive) + " or " + std::to_string(negative) + ", got " +
         number_text(label) + " (" + advice + ")";
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == 0) return "0";
  char buffer[32] = {};
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(value), std::chars_format::scientific);
  const std::string_view scientific(buffer, end - buffer);
  const size_t e = scientific.find('e');
  std::string digits(1, scientific[0]);
  if (e > 2) digits += scientific.substr(2, e - 2);
  const int exponent = std::atoi(buffer + e + 1);

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

}  // namespace hinge_embedding_loss
