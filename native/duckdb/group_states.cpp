#include "group_states.h"

#include <cstdlib>
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

void GroupState::merge(const Partial& partial) {
  set_settings(PackedSettings(partial.settings));
  if (size() + partial.counts().size() > kMaxElements) {
    throw QueryError("a group must have fewer than 2^53 elements");
  }
  if (partial.weighted) {
    grow_weighted().merge(*partial.weighted);
  } else {
    merge(partial.totals);
  }
}

void GroupState::combine(const GroupState& source) {
  if (source.full_ != nullptr && !source.full_->error.empty()) store_error(source.full_->error.c_str());
  if (!source.has_rows() || (full_ != nullptr && !full_->error.empty())) return;
  try {
    merge(source.partial());
  } catch (const QueryError& error) {
    store_error(error.what());
  }
}

void GroupState::throw_error() const {
  if (full_ != nullptr && !full_->error.empty()) throw QueryError(full_->error);
}

Partial GroupState::partial() const {
  if (is_weighted()) return {{}, settings_.unpack(), *full_->weighted};
  Totals copy;
  return {totals(copy), settings_.unpack(), {}};
}

Figures GroupState::figures() const {
  const OtherLabelPolicy policy = settings_.unpack().policy;
  if (is_weighted()) return full_->weighted->figures(policy);
  Totals copy;
  return totals(copy).figures(policy);
}

uint64_t GroupState::size() const {
  if (is_weighted()) return full_->weighted->size();
  Totals copy;
  return totals(copy).size();
}

const Totals& GroupState::totals(Totals& copy) const {
  if (full_ != nullptr) return full_->totals;
  copy = Totals(small_);
  return copy;
}

void GroupState::destroy() {
  delete full_;
  full_ = nullptr;
}

void GroupState::throw_different(const PackedSettings& settings) const {
  throw QueryError("margin, labels and other_labels must be the same in all rows of a group, got " +
                   format_settings(settings_.unpack()) + " and " + format_settings(settings.unpack()));
}

void GroupState::merge(const Totals& totals) {
  SmallTotals small;
  if (full_ == nullptr && totals.is_small(small) && small_.merge(small)) return;
  if (is_weighted()) return full_->weighted->merge(WeightedTotals(totals));
  grow().totals.merge(totals);
}

GroupState::Full& GroupState::grow() {
  if (full_ == nullptr) full_ = new Full{Totals(small_), nullptr, ""};
  return *full_;
}

WeightedTotals& GroupState::grow_weighted() {
  Full& full = grow();
  if (full.weighted == nullptr) full.weighted = std::make_unique<WeightedTotals>(full.totals);
  return *full.weighted;
}

RowStates::RowStates(const State* states, size_t rows, StateLayout layout)
    : states_(states),
      rows_(rows),
      is_one_for_all_(has_one_for_all(rows, layout)),
      stores_errors_(layout == StateLayout::kOnePerRowOfDistinct) {}

}  // namespace hinge_embedding_loss::duckdb
