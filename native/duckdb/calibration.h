#pragma once

namespace hinge_embedding_loss::duckdb {

// Teaches the call sites of update functions, by queries over a probe in an in-memory database of its own: no
// setting, function or query of the program reaches it. Call it once per process.
void calibrate_call_sites();

}  // namespace hinge_embedding_loss::duckdb
