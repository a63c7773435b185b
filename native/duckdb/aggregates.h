#pragma once

#include "api.h"

namespace hinge_embedding_loss::duckdb {

// hinge_embedding_loss, hinge_embedding_loss_partial and hinge_embedding_loss_merge. Returns false if DuckDB
// refuses one of them.
bool register_aggregates(Connection connection);

}  // namespace hinge_embedding_loss::duckdb
