#pragma once

#include "api.h"

// Teaches call_sites, by queries over an aggregate in a database of its own, which no settings, functions
// or queries of the program's reach. A site that no query reaches stays unknown. Once a process.
void calibrate_call_sites(const duckdb_api::Functions& api);
