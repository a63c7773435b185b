#pragma once

#include "api.h"

namespace hinge_embedding_loss::duckdb {

// hinge_embedding_distance. Returns false if DuckDB refuses it.
bool register_distances(Connection connection);

}  // namespace hinge_embedding_loss::duckdb
