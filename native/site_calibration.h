#pragma once

#include "duckdb_api.h"

// Teaches update_sites, by queries of this connection over a hidden aggregate. A site that no query reaches
// stays unknown.
void calibrate_update_sites(const duckdb_api::Functions& api, duckdb_api::Connection connection);
