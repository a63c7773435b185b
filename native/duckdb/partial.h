#pragma once

#include <string>
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

// The bytes of JSON.stringify(accumulator).
std::string to_json(const Partial& partial);

// Returns false, and leaves `partial` unspecified, if LossAccumulator.fromJSON(JSON.parse(text)) throws.
bool from_json(std::string_view text, Partial& partial);

}  // namespace hinge_embedding_loss::duckdb
