#pragma once

#include <cstdint>

// DuckDB calls an aggregate's update with an array of one state a row, except that before 2.0 some of its
// code passes an array of one state for all rows: duckdb/duckdb, issue 21537. The arguments do not say which.
// The function of DuckDB's that calls does: each always passes the same kind. Calibrating queries, whose kind
// is known, teach the call sites and their functions when the extension is loaded; what was not seen there is
// unknown.
namespace call_sites {

enum class States : uint8_t {
  kUnknown,
  kOnePerRow,
  kOnePerRowOfDistinct,  // in a window with DISTINCT, where DuckDB waits forever for a thread that has an
                         // error
  kOneForAll,
  kFirstRowOnly,  // one state, but each call has the first row again: OVER (ROWS UNBOUNDED PRECEDING)
};

// An address in DuckDB's code.
using Address = uintptr_t;

// What the site passes from which DuckDB called an update function: `caller` is the function's return
// address, which lies in DuckDB's C API, and `info` the function's argument, a local of the same frame.
States states_at(Address caller, const void* info);

States states_of(Address site);

// The site, 0 where the stack cannot be read. One thread may call this and `teach`, before others call
// states_at.
Address learn_site(Address caller, const void* info);

// Records what a site and its function pass. If two calls teach different kinds, they are unknown.
void teach(Address site, States states);

}  // namespace call_sites
