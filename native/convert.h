#pragma once

#include <cstddef>

#include "hinge_embedding_loss.h"

namespace hinge_embedding_loss {

// Writes the values of source[n] to out[n]. Floats are rounded once; an integer must hold a value as it is.
// Returns the index of the first value that `out` cannot hold, or n.
size_t convert(LabelType to, void* out, LabelType from, const void* source, size_t n);

}  // namespace hinge_embedding_loss
