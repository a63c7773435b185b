#include "settings.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "text.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// By OtherLabelPolicy.
constexpr std::string_view kPolicyNames[] = {"error", "zero", "ignore"};

constexpr double kMaxLabel = 1 << 24;

constexpr double kEpsilon = 1e-6, kCosineEpsilon = 1e-8;

// The p of a distance by its name, or nothing. Digits, as JavaScript reads them: strtod takes hexadecimal
// ones too.
std::optional<double> read_power(std::string_view name) {
  constexpr std::pair<std::string_view, double> kPowers[] = {
      {"euclidean", 2}, {"manhattan", 1}, {"chebyshev", HUGE_VAL}};
  constexpr std::string_view kPrefix = "minkowski:";
  for (const auto& [known, p] : kPowers) {
    if (name == known) return p;
  }
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string digits(name.substr(kPrefix.size()));
  if (!is_plain_number(digits)) return std::nullopt;
  const double p = parse_number(digits);
  return p > 0 && std::isfinite(p) ? std::optional(p) : std::nullopt;
}

bool is_label(double value) { return std::abs(value) <= kMaxLabel && value == std::trunc(value); }

}  // namespace

std::string_view name_of(OtherLabelPolicy policy) { return kPolicyNames[static_cast<size_t>(policy)]; }

std::string read_settings(double margin, double positive_label, double negative_label,
                          std::string_view other_labels, Settings& settings) {
  if (!std::isfinite(margin)) return "margin must be a finite number, got " + format_number(margin);
  const auto label_error = [](const char* name, double label) {
    return std::string(name) + " must be an integer within ±2^24, got " + format_number(label);
  };
  if (!is_label(positive_label)) return label_error("positive_label", positive_label);
  if (!is_label(negative_label)) return label_error("negative_label", negative_label);
  if (positive_label == negative_label) {
    return "positive_label and negative_label must differ, got " + format_number(positive_label) +
           " for both";
  }
  const auto name = std::find(std::begin(kPolicyNames), std::end(kPolicyNames), other_labels);
  if (name == std::end(kPolicyNames)) {
    return "other_labels must be 'error', 'zero' or 'ignore', got '" + excerpt(other_labels) + "'";
  }
  settings = {margin + 0,  // −0 becomes 0
              static_cast<int32_t>(positive_label), static_cast<int32_t>(negative_label),
              static_cast<OtherLabelPolicy>(name - kPolicyNames)};
  return "";
}

std::string check_float32_margin(double margin) {
  if (std::isfinite(static_cast<float>(margin))) return "";
  return "margin must be finite in float32, because the input is FLOAT, got " + format_number(margin);
}

std::string other_label_error(const Settings& settings, double label) {
  const auto& [margin, positive, negative, policy] = settings;
  const std::string advice =
      label == 0 && positive == 1
          ? "for 0/1 labels, pass all arguments by position: (input, label, 1, 1, 0, 'error')"
          : "for another encoding, pass all arguments by position: (input, label, margin, positive_label, "
            "negative_label, other_labels); other_labels 'zero' or 'ignore' accepts any label";
  return "label must be " + std::to_string(positive) + " or " + std::to_string(negative) + ", got " +
         format_number(label) + " (" + advice + ")";
}

std::string read_distance(std::string_view name, std::optional<double> epsilon, bool is_float32,
                          Distance& distance) {
  const bool is_cosine = name == "cosine";
  const std::optional<double> p = read_power(name);
  if (!is_cosine && !p) {
    return "distance must be 'euclidean', 'manhattan', 'chebyshev', 'cosine' or 'minkowski:p' with a finite "
           "p > 0, got '" +
           excerpt(name) + "'";
  }
  const double value = epsilon.value_or(is_cosine ? kCosineEpsilon : kEpsilon);
  if (!std::isfinite(is_float32 ? static_cast<float>(value) : value)) {
    return "epsilon must be a finite number" + std::string(is_float32 ? " in float32" : "") + ", got " +
           format_number(value);
  }
  if (is_cosine && value < 0) return "epsilon must be at least 0 for 'cosine', got " + format_number(value);
  distance = is_cosine ? Distance{DistanceKind::kCosine, 2, value} : Distance::of_power(*p, value);
  return "";
}

std::string format_settings(const Settings& settings) {
  const auto& [margin, positive, negative, policy] = settings;
  return "(" + format_number(margin) + ", " + std::to_string(positive) + ", " + std::to_string(negative) +
         ", '" + std::string(name_of(policy)) + "')";
}

}  // namespace hinge_embedding_loss::duckdb
