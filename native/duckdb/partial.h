#pragma once

#include <cstddef>
#include <string_view>

#include "../hinge_embedding_loss.h"

namespace hinge_embedding_loss::duckdb {

// The contents of a LossAccumulator of lib/accumulator.ts.
struct Partial {
  Totals totals;
  Settings settings;
};

// True if some elements have these totals under these settings.
bool is_valid(const Partial& partial);

// Writes a partial and returns the end, at most kMaxPartialBytes later. write_json writes the most: the texts
// of two sums, and less than 300 bytes for a margin, two labels, four counts below 2^53 and the names.
using WritePartial = char* (*)(char* at, const Partial& partial);
constexpr size_t kMaxPartialBytes = 2 * ExactSum::kMaxTextLength + 512;

// The bytes of JSON.stringify(accumulator).
char* write_json(char* at, const Partial& partial);

// Returns false, and leaves `partial` unspecified, if LossAccumulator.fromJSON(JSON.parse(text)) throws.
bool from_json(std::string_view text, Partial& partial);

}  // namespace hinge_embedding_loss::duckdb
