#pragma once

#include "api.h"

namespace hinge_embedding_loss::duckdb {

// hinge_embedding_loss, and its functions _partial, _state and _merge. Returns false if DuckDB refuses one.
bool register_aggregates(Connection connection);

}  // namespace hinge_embedding_loss::duckdb
