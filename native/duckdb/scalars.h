#pragma once

#include "api.h"

namespace hinge_embedding_loss::duckdb {

// hinge_embedding_loss_each and, from DuckDB 1.3 on, the functions of lists: hinge_embedding_loss_of and
// hinge_embedding_distance. Returns false if DuckDB refuses
// one of them.
bool register_scalars(Connection connection);

}  // namespace hinge_embedding_loss::duckdb
