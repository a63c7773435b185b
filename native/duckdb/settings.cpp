#include "settings.h"

#include <locale.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

namespace hinge_embedding_loss {

namespace {

constexpr double kLabelMax = 1 << 24;

bool is_label(double value) { return std::abs(value) <= kLabelMax && value == std::trunc(value); }

struct Digits {
  std::string digits;
  int exponent;  // of ten, of the first digit
};

// Of the nearest decimal number of so many digits.
Digits nearest_digits(double value, int count) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.*e", count - 1, value);
  Digits nearest{"", 0};
  const char* at = buffer;
  for (; *at != 'e'; at++) {
    if (*at >= '0' && *at <= '9') nearest.digits += *at;  // and no decimal point of any locale
  }
  nearest.exponent = std::atoi(at + 1);
  return nearest;
}

// The next decimal number of as many digits.
Digits next_digits(Digits number) {
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

double value_of(const Digits& number) {
  const int last = number.exponent - static_cast<int>(number.digits.size()) + 1;
  return read_number(number.digits + "e" + std::to_string(last));
}

// The fewest digits that are read as the value. Below a power of two, the doubles are closer together: the
// nearest digits may be another double where the next are not.
Digits shortest_digits(double value) {
  for (int count = 1; count < 17; count++) {
    const Digits nearest = nearest_digits(value, count);
    if (value_of(nearest) == value) return nearest;
    const Digits next = next_digits(nearest);
    if (value_of(next) == value) return next;
  }
  return nearest_digits(value, 17);
}

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
  const std::string advice =
      label == 0 && positive == 1
          ? "0/1 labels need all arguments, by their places: (input, label, 1, 1, 0, 'error')"
          : "all arguments, by their places, name the encoding: (input, label, margin, positive_label, "
            "negative_label, other_labels); other_labels 'zero' or 'ignore' lets others pass";
  return "label must be " + std::to_string(positive) + " or " + std::to_string(negative) + ", got " +
         number_text(label) + " (" + advice + ")";
}

double read_number(const std::string& text) {
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  return strtod_l(text.c_str(), nullptr, c_locale);
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == 0) return "0";
  const auto [digits, exponent] = shortest_digits(std::abs(value));

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
