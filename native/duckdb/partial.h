#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "../hinge_embedding_loss.h"

namespace hinge_embedding_loss::duckdb {

// The contents of a LossAccumulator of lib/accumulator.ts.
struct Partial {
  Totals totals;  // unless it is weighted
  Settings settings;
  std::optional<WeightedTotals> weighted;

  const Counts& counts() const { return weighted ? static_cast<const Counts&>(*weighted) : totals; }
  Figures figures() const {
    return weighted ? weighted->figures(settings.policy) : totals.figures(settings.policy);
  }
};

// True if some elements have these totals under these settings.
bool is_valid(const Partial& partial);

// Writes a partial and returns the end, at most kMaxPartialBytes later. write_json writes the most: the texts
// of two sums and three weights, and less than 400 bytes for a margin, two labels, four counts below 2^53 and
// the names.
using WritePartial = char* (*)(char* at, const Partial& partial);
constexpr size_t kMaxPartialBytes = 2 * ProductSum::kMaxTextLength + 3 * ExactSum::kMaxTextLength + 512;

// The bytes of JSON.stringify(accumulator).
char* write_json(char* at, const Partial& partial);

// Returns false, and leaves `partial` unspecified, if LossAccumulator.fromJSON(JSON.parse(text)) throws.
bool from_json(std::string_view text, Partial& partial);

}  // namespace hinge_embedding_loss::duckdb
