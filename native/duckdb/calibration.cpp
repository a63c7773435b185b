#include "calibration.h"

#include <optional>
#include <set>
#include <string>

#include "call_sites.h"

namespace {

using namespace duckdb_api;
using call_sites::Address;
using call_sites::States;

// A query that calls the aggregate @ over rows of i, from 1 on.
struct Form {
  States states;
  const char* call;
  int rows;
  const char* group_by = "";
  bool is_total = false;  // one group, for which the first state is right at any site
};

// DuckDB's source, 1.2 to 2.0, says of which kind each form is. The probe's sums prove it: it adds all rows
// of a call from a new site to the first state, which is right where the call has one state and wrong where
// it has several.
const Form kForms[] = {
    {States::kOnePerRow, "@(i)", 4, "GROUP BY i"},
    {States::kOnePerRow, "@(i) FILTER (i % 5 <> 4)", 9, "GROUP BY i"},
    {States::kOnePerRow, "list_aggregate([i], '@')", 4},
    {States::kOnePerRow, "list_aggregate(range(i * 1000), '@')", 4},
    {States::kOnePerRow, "@(i) OVER (ORDER BY i ROWS 1 PRECEDING)", 9},
    {States::kOnePerRow, "@(DISTINCT i) OVER (ORDER BY i ROWS 1 PRECEDING EXCLUDE CURRENT ROW)", 9},
    {States::kOnePerRowOfDistinct, "@(DISTINCT i % 40) OVER (ORDER BY i ROWS 60 PRECEDING)", 100},
    {States::kOneForAll, "@(i) OVER (PARTITION BY i // 3)", 9},
    {States::kOneForAll, "@(i ORDER BY -i)", 9, "GROUP BY i // 3"},
    {States::kFirstRowOnly, "@(i) OVER (ROWS UNBOUNDED PRECEDING)", 9},
    {States::kOneForAll, "@(i)", 9, "", true},
};

std::string call_of(const char* aggregate, const Form& form) {
  std::string call = form.call;
  return call.replace(call.find('@'), 1, aggregate);
}

constexpr char kProbe[] = "hinge_embedding_loss_probe";

std::string query_of(const Form& form) {
  return "SELECT count(*) FROM (SELECT " + call_of(kProbe, form) + " AS probed, " + call_of("sum", form) +
         " AS expected FROM (SELECT unnest(range(1, " + std::to_string(form.rows + 1) + ")) AS i) " +
         form.group_by + ") WHERE probed <> coalesce(expected, 0)";
}

// The query under way, on the one thread of the database.
struct {
  const Form* form;
  std::set<Address> sites;
} calibration;

const Functions* duckdb;

int64_t& sum_in(State state) { return *reinterpret_cast<int64_t*>(state); }

Index size_state(FunctionInfo) { return sizeof(int64_t); }

void init(FunctionInfo, State state) { sum_in(state) = 0; }

void update(FunctionInfo info, DataChunk chunk, State* states) {
  const auto caller = reinterpret_cast<Address>(__builtin_return_address(0));
  const Form* form = calibration.form;
  const size_t rows = duckdb->data_chunk_get_size(chunk);
  if (rows == 0) return;
  const Address site = call_sites::learn_site(caller, info);
  if (rows > 1 || form->states == States::kFirstRowOnly) calibration.sites.insert(site);
  const States known = call_sites::states_of(site);
  const bool is_one_per_row = form->states != States::kOneForAll &&
                              (known == States::kOnePerRow || known == States::kOnePerRowOfDistinct);
  const auto* values =
      static_cast<const int64_t*>(duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, 0)));
  for (size_t row = 0; row < rows; row++) sum_in(states[is_one_per_row ? row : 0]) += values[row];
}

void combine(FunctionInfo, State* sources, State* targets, Index count) {
  for (Index i = 0; i < count; i++) sum_in(targets[i]) += sum_in(sources[i]);
}

void finalize(FunctionInfo, State* sources, Vector result, Index count, Index offset) {
  auto* sums = static_cast<int64_t*>(duckdb->vector_get_data(result));
  for (Index i = 0; i < count; i++) sums[offset + i] = sum_in(sources[i]);
}

bool register_probe(Connection connection) {
  AggregateFunctionSet set = duckdb->create_aggregate_function_set(kProbe);
  AggregateFunction probe = duckdb->create_aggregate_function();
  LogicalType type = duckdb->create_logical_type(Type::kBigint);
  duckdb->aggregate_function_set_name(probe, kProbe);
  duckdb->aggregate_function_add_parameter(probe, type);
  duckdb->aggregate_function_set_return_type(probe, type);
  duckdb->aggregate_function_set_functions(probe, size_state, init, update, combine, finalize);
  const bool is_registered = duckdb->add_aggregate_function_to_set(set, probe) == Result::kSuccess &&
                             duckdb->register_aggregate_function_set(connection, set) == Result::kSuccess;
  duckdb->destroy_logical_type(&type);
  duckdb->destroy_aggregate_function(&probe);
  duckdb->destroy_aggregate_function_set(&set);
  return is_registered;
}

// The number of wrong sums; nothing where DuckDB refuses the query.
std::optional<int64_t> count_wrong(Connection connection, const Form& form) {
  calibration = {&form, {}};
  QueryResult result;
  std::optional<int64_t> count;
  if (duckdb->query(connection, query_of(form).c_str(), &result) == Result::kSuccess) {
    if (DataChunk chunk = duckdb->fetch_chunk(result)) {
      count = *static_cast<int64_t*>(duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, 0)));
      duckdb->destroy_data_chunk(&chunk);
    }
  }
  duckdb->destroy_result(&result);
  return count;
}

void teach(const Form& form, bool is_wrong) {
  const bool is_one_for_all = form.states == States::kOneForAll;
  if (is_wrong == is_one_for_all) return;
  auto& sites = calibration.sites;
  sites.erase(0);
  if (!is_one_for_all || form.is_total) {
    std::erase_if(sites, [](Address site) { return call_sites::states_of(site) != States::kUnknown; });
  }
  // Any of several new sites may be the wrong one.
  if (!is_one_for_all && sites.size() > 1) return;
  for (const Address site : sites) call_sites::teach(site, form.states);
}

// In memory, with one thread.
bool open_database(Database* database) {
  Config config;
  if (duckdb->create_config(&config) != Result::kSuccess) return false;
  const bool is_open = duckdb->set_config(config, "threads", "1") == Result::kSuccess &&
                       duckdb->open_ext(nullptr, database, config, nullptr) == Result::kSuccess;
  duckdb->destroy_config(&config);
  return is_open;
}

}  // namespace

void calibrate_call_sites(const Functions& api) {
  duckdb = &api;
  Database database;
  if (!open_database(&database)) return;
  Connection connection;
  if (duckdb->connect(database, &connection) == Result::kSuccess) {
    if (register_probe(connection)) {
      for (const Form& form : kForms) {
        const std::optional<int64_t> wrong = count_wrong(connection, form);
        if (wrong) teach(form, *wrong > 0);
      }
    }
    duckdb->disconnect(&connection);
  }
  duckdb->close(&database);
}
