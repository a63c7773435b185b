#pragma once

#include <string>
#include <string_view>

#include "../hinge_embedding_loss.h"
#include "settings.h"

namespace hinge_embedding_loss {

// Totals with what they were computed with: what a LossAccumulator of lib/accumulator.ts is.
struct Partial {
  Totals totals;
  Scoring scoring;
};

// The bytes that JSON.stringify gives of the LossAccumulator.
std::string to_json(const Partial& partial);

// False, and an unspecified partial, where the text is none that LossAccumulator.fromJSON(JSON.parse(text))
// takes.
bool from_json(std::string_view text, Partial& partial);

}  // namespace hinge_embedding_loss
