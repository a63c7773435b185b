#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "../distance.h"
#include "../hinge_embedding_loss.h"

// The settings of lib/settings.ts and their errors, for SQL.
namespace hinge_embedding_loss::duckdb {

// The name of a policy, as in other_labels.
std::string_view name_of(OtherLabelPolicy policy);

// Fills `settings` and returns ""; or returns the error of the first wrong argument.
std::string read_settings(double margin, double positive_label, double negative_label,
                          std::string_view other_labels, Settings& settings);

// Returns "" if float32 has the margin as a finite number, or else the error.
std::string check_float32_margin(double margin);

// The error of a label that is neither the positive nor the negative one.
std::string other_label_error(const Settings& settings, double label);

// Fills `distance` and returns ""; or returns the error of the first wrong argument. Without an epsilon it is
// that of Paddle.
std::string read_distance(std::string_view name, std::optional<double> epsilon, bool is_float32,
                          Distance& distance);

// As arguments of SQL: "(1, 1, -1, 'error')".
std::string format_settings(const Settings& settings);

}  // namespace hinge_embedding_loss::duckdb
