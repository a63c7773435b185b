#pragma once

#include "duckdb_api.h"

// Teaches update_sites, by queries over an aggregate in a database of its own, which no settings, functions
// or queries of the program's reach. A site that no query reaches stays unknown. Once a process.
void calibrate_update_sites(const duckdb_api::Functions& api);
