#pragma once

#include <string>
#include <string_view>

#include "../hinge_embedding_loss.h"

// The options of lib/scoring.ts, and their errors, for hosts other than JavaScript.
namespace hinge_embedding_loss {

// By OtherLabelPolicy.
inline constexpr std::string_view kPolicyNames[] = {"error", "zero", "ignore"};

struct Scoring {
  Settings settings{1, 1, -1};
  OtherLabelPolicy policy = OtherLabelPolicy::kError;

  bool operator==(const Scoring&) const = default;
};

// What is wrong with the options; empty where nothing is.
std::string read_scoring(double margin, double positive_label, double negative_label,
                         std::string_view other_labels, Scoring& scoring);

// That a label is neither, where that is an error.
std::string other_label_error(const Settings& settings, double label);

// The beginning of UTF-8 text, which is not cut within a character: what errors show of it.
std::string excerpt(std::string_view text);

// The decimal number as ECMA-262 reads it: rounded once. For text that is one.
double read_number(const std::string& text);

// The number as ECMA-262, Number::toString, writes it.
std::string number_text(double value);

}  // namespace hinge_embedding_loss
