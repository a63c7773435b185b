#pragma once

#include <cstddef>

#include "dtypes.h"

namespace hinge_embedding_loss {

// out[n] from source[n], both arrays of the given dtypes. Rounds to a float once; an integer must hold the
// value exactly. Returns the index of the first value that `out` cannot hold, or n.
size_t convert(DType to, void* out, DType from, const void* source, size_t n);

}  // namespace hinge_embedding_loss
