#pragma once

#include <string_view>

#include "partial.h"

// A partial as a BLOB of few bytes.
namespace hinge_embedding_loss::duckdb {

// Equal partials give equal bytes.
char* pack(char* at, const Partial& partial);

// Returns false, and leaves `partial` unspecified, if pack never writes the bytes.
bool unpack(std::string_view bytes, Partial& partial);

}  // namespace hinge_embedding_loss::duckdb
