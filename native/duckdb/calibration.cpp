#include "calibration.h"

#include <optional>
#include <set>
#include <string>

#include "api.h"
#include "call_sites.h"
#include "registration.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// A query of the aggregate @ over i = 1, 2, …, rows.
struct ProbeQuery {
  StateLayout layout;
  const char* call;
  int rows;
  const char* group_by = "";
  bool has_one_group = false;  // the first state is then right in either layout
};

// DuckDB's source, 1.2 to 2.0, tells the layout of each query. The probe's sums prove it: from an unknown
// call site, the probe adds all rows to the first state, which is right for one state and wrong for several.
const ProbeQuery kQueries[] = {
    {StateLayout::kOnePerRow, "@(i)", 4, "GROUP BY i"},
    {StateLayout::kOnePerRow, "@(i) FILTER (i % 5 <> 4)", 9, "GROUP BY i"},
    {StateLayout::kOnePerRow, "list_aggregate([i], '@')", 4},
    {StateLayout::kOnePerRow, "list_aggregate(range(i * 1000), '@')", 4},
    {StateLayout::kOnePerRow, "@(i) OVER (ORDER BY i ROWS 1 PRECEDING)", 9},
    {StateLayout::kOnePerRow, "@(DISTINCT i) OVER (ORDER BY i ROWS 1 PRECEDING EXCLUDE CURRENT ROW)", 9},
    {StateLayout::kOnePerRowOfDistinct, "@(DISTINCT i % 40) OVER (ORDER BY i ROWS 60 PRECEDING)", 100},
    {StateLayout::kOneForAll, "@(i) OVER (PARTITION BY i // 3)", 9},
    {StateLayout::kOneForAll, "@(i ORDER BY -i)", 9, "GROUP BY i // 3"},
    {StateLayout::kFirstRowOnly, "@(i) OVER (ROWS UNBOUNDED PRECEDING)", 9},
    {StateLayout::kOneForAll, "@(i)", 9, "", true},
};

std::string format_call(const char* aggregate, const ProbeQuery& query) {
  std::string call = query.call;
  return call.replace(call.find('@'), 1, aggregate);
}

constexpr char kProbe[] = "hinge_embedding_loss_probe";

// A query that counts the groups and rows with a wrong sum.
std::string format_query(const ProbeQuery& query) {
  return "SELECT count(*) FROM (SELECT " + format_call(kProbe, query) + " AS probed, " +
         format_call("sum", query) + " AS expected FROM (SELECT unnest(range(1, " +
         std::to_string(query.rows + 1) + ")) AS i) " + query.group_by +
         ") WHERE probed <> coalesce(expected, 0)";
}

// The current query and the call sites that it reaches. The database has one thread.
struct {
  const ProbeQuery* query;
  std::set<Address> sites;
} calibration;

int64_t& sum_in(State state) { return *reinterpret_cast<int64_t*>(state); }

Index state_size(FunctionInfo) { return sizeof(int64_t); }

void init(FunctionInfo, State state) { sum_in(state) = 0; }

void update(FunctionInfo info, DataChunk chunk, State* states) {
  const auto caller = reinterpret_cast<Address>(__builtin_return_address(0));
  const ProbeQuery& query = *calibration.query;
  const size_t rows = api.data_chunk_get_size(chunk);
  if (rows == 0) return;
  const Address site = learn_site(caller, info);
  if (rows > 1 || query.layout == StateLayout::kFirstRowOnly) calibration.sites.insert(site);
  const StateLayout known = layout_at_site(site);
  const bool is_one_per_row =
      query.layout != StateLayout::kOneForAll &&
      (known == StateLayout::kOnePerRow || known == StateLayout::kOnePerRowOfDistinct);
  const auto* values = static_cast<const int64_t*>(api.vector_get_data(api.data_chunk_get_vector(chunk, 0)));
  for (size_t row = 0; row < rows; row++) sum_in(states[is_one_per_row ? row : 0]) += values[row];
}

void combine(FunctionInfo, State* sources, State* targets, Index count) {
  for (Index i = 0; i < count; i++) sum_in(targets[i]) += sum_in(sources[i]);
}

void finalize(FunctionInfo, State* sources, Vector result, Index count, Index offset) {
  auto* sums = static_cast<int64_t*>(api.vector_get_data(result));
  for (Index i = 0; i < count; i++) sums[offset + i] = sum_in(sources[i]);
}

bool register_probe(Connection connection) {
  const OwnedType sum(Type::kBigint);
  const AggregateOverload overloads[] = {
      {{Type::kBigint}, sum, {state_size, init, update, combine, finalize}}};
  return register_aggregate(connection, kProbe, overloads);
}

// The number of wrong sums, or nothing if the query fails.
std::optional<int64_t> count_wrong_sums(Connection connection, const ProbeQuery& query) {
  calibration = {&query, {}};
  QueryResult result;
  std::optional<int64_t> count;
  if (api.query(connection, format_query(query).c_str(), &result) == Result::kSuccess) {
    if (DataChunk chunk = api.fetch_chunk(result)) {
      count = *static_cast<int64_t*>(api.vector_get_data(api.data_chunk_get_vector(chunk, 0)));
      api.destroy_data_chunk(&chunk);
    }
  }
  api.destroy_result(&result);
  return count;
}

void teach_sites(const ProbeQuery& query, bool has_wrong_sums) {
  const bool is_one_for_all = query.layout == StateLayout::kOneForAll;
  if (has_wrong_sums == is_one_for_all) return;  // proves nothing
  auto& sites = calibration.sites;
  sites.erase(0);
  if (!is_one_for_all || query.has_one_group) {
    std::erase_if(sites, [](Address site) { return layout_at_site(site) != StateLayout::kUnknown; });
  }
  // A wrong sum does not tell which of several new call sites it came from.
  if (!is_one_for_all && sites.size() > 1) return;
  for (const Address site : sites) teach(site, query.layout);
}

// Opens a database in memory, with one thread.
bool open_database(Database* database) {
  Config config;
  if (api.create_config(&config) != Result::kSuccess) return false;
  const bool is_open = api.set_config(config, "threads", "1") == Result::kSuccess &&
                       api.open_ext(nullptr, database, config, nullptr) == Result::kSuccess;
  api.destroy_config(&config);
  return is_open;
}

}  // namespace

void calibrate_call_sites() {
  Database database;
  if (!open_database(&database)) return;
  Connection connection;
  if (api.connect(database, &connection) == Result::kSuccess) {
    if (register_probe(connection)) {
      for (const ProbeQuery& query : kQueries) {
        const std::optional<int64_t> wrong = count_wrong_sums(connection, query);
        if (wrong) teach_sites(query, *wrong > 0);
      }
    }
    api.disconnect(&connection);
  }
  api.close(&database);
}

}  // namespace hinge_embedding_loss::duckdb
