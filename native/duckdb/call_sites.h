#pragma once

#include <cstdint>

#include "stack.h"

// DuckDB calls an aggregate's update function with an array of one state per row. Before 2.0, some of its
// code passes one state for all rows instead (duckdb/duckdb, issue 21537), and the arguments do not tell
// which. But each function of DuckDB always passes the same layout. So queries whose layout is known teach
// their call sites, and the functions around these, when the extension is loaded. All other call sites are
// unknown.
namespace hinge_embedding_loss::duckdb {

enum class StateLayout : uint8_t {
  kUnknown,
  kOnePerRow,
  // In a window with DISTINCT. If one thread reports an error here, DuckDB waits for it forever.
  kOnePerRowOfDistinct,
  kOneForAll,
  // OVER (ROWS UNBOUNDED PRECEDING): one state, but each call passes the first row again.
  kFirstRowOnly,
};

// The layout at the site that called an update function. `caller` is the update function's return address,
// which lies in DuckDB's C API; `info` is its argument, a local variable of the same stack frame.
StateLayout layout_at_call(Address caller, const void* info);

StateLayout layout_at_site(Address site);

// The call site, or 0 if the stack cannot be read. One thread may call this and `teach`, before others call
// layout_at_call.
Address learn_site(Address caller, const void* info);

// Records the layout of a call site and of its function. Two different layouts make both unknown.
void teach(Address site, StateLayout layout);

}  // namespace hinge_embedding_loss::duckdb
