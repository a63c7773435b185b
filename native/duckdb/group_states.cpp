#include "group_states.h"

#include <cstdlib>
#include <mutex>
#include <set>
#include <string_view>

#include "settings.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// Released DuckDBs from 2.0 on pass one state per row to every update function.
bool always_passes_one_state_per_row() {
  static const bool always = [] {
    const std::string_view version = api.library_version();  // "v2.0.0", before its release "v2.0.0-dev1"
    return std::atoi(version.data() + 1) >= 2 && version.find('-') == std::string_view::npos;
  }();
  return always;
}

bool has_one_for_all(size_t rows, StateLayout layout) {
  switch (layout) {
    case StateLayout::kOnePerRow:
    case StateLayout::kOnePerRowOfDistinct:
      return false;
    case StateLayout::kOneForAll:
      return true;
    case StateLayout::kFirstRowOnly:
      throw QueryError(
          "DuckDB passes only the first row of this window, again and again: give the window an order, "
          "OVER (ORDER BY …)");
    case StateLayout::kUnknown:
      if (rows <= 1 || always_passes_one_state_per_row()) return false;
      throw QueryError(
          "DuckDB does not tell which group each row of this query belongs to (duckdb/duckdb issue 21537): "
          "use GROUP BY and a join, hinge_embedding_loss_of(list(input) OVER …, list(label) OVER …), or "
          "DuckDB 2.0");
  }
  __builtin_unreachable();
}

}  // namespace

void GroupState::throw_error() const {
  if (error != nullptr) throw QueryError(error);
}

void GroupState::set_settings(const Settings& expected) {
  if (!has_rows) settings = expected;
  has_rows = true;
  if (settings == expected) return;
  throw QueryError("margin, labels and other_labels must be the same in all rows of a group, got " +
                   format_settings(settings) + " and " + format_settings(expected));
}

void GroupState::merge(const Partial& partial) {
  set_settings(partial.settings);
  if (totals.size() + partial.totals.size() > kMaxElements) {
    throw QueryError("a group must have fewer than 2^53 elements");
  }
  totals.merge(partial.totals);
}

const char* intern(const std::string& text) {
  // Never destroyed: DuckDB's threads may outlive static objects.
  static auto& mutex = *new std::mutex;
  static auto& texts = *new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return texts.insert(text).first->c_str();
}

RowStates::RowStates(const State* states, size_t rows, StateLayout layout)
    : states_(states),
      rows_(rows),
      is_one_for_all_(has_one_for_all(rows, layout)),
      stores_errors_(layout == StateLayout::kOnePerRowOfDistinct) {}

}  // namespace hinge_embedding_loss::duckdb
