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
    merge(*partial.weighted);
  } else {
    merge(partial.totals);
  }
}

void GroupState::combine(const GroupState& source) {
  if (source.rest_ != nullptr && !source.rest_->error.empty()) store_error(source.rest_->error.c_str());
  if (!source.has_rows() || (rest_ != nullptr && !rest_->error.empty())) return;
  try {
    merge(source.partial());
  } catch (const QueryError& error) {
    store_error(error.what());
  }
}

void GroupState::throw_error() const {
  if (rest_ != nullptr && !rest_->error.empty()) throw QueryError(rest_->error);
}

Partial GroupState::partial() const {
  if (is_weighted()) {
    WeightedTotals copy;
    return {{}, settings_.unpack(), weighted_totals(copy)};
  }
  Totals copy;
  return {totals(copy), settings_.unpack(), {}};
}

Figures GroupState::figures() const {
  const OtherLabelPolicy policy = settings_.unpack().policy;
  if (is_weighted()) {
    WeightedTotals copy;
    return weighted_totals(copy).figures(policy);
  }
  Totals copy;
  return totals(copy).figures(policy);
}

uint64_t GroupState::size() const {
  if (is_weighted()) {
    WeightedTotals copy;
    return weighted_totals(copy).size();
  }
  Totals copy;
  return totals(copy).size();
}

const Totals& GroupState::totals(Totals& copy) const {
  if (rest_ != nullptr && rest_->totals != nullptr) return *rest_->totals;
  copy = Totals(small_);
  return copy;
}

const WeightedTotals& GroupState::weighted_totals(WeightedTotals& copy) const {
  if (rest_->weighted != nullptr) return *rest_->weighted;
  copy = WeightedTotals(*rest_->small_weighted);
  return copy;
}

void GroupState::destroy() {
  delete rest_;
  rest_ = nullptr;
}

void GroupState::throw_different(const PackedSettings& settings) const {
  throw QueryError("margin, labels and other_labels must be the same in all rows of a group, got " +
                   format_settings(settings_.unpack()) + " and " + format_settings(settings.unpack()));
}

void GroupState::merge(const Totals& totals) {
  SmallTotals small;
  if (rest_ == nullptr && totals.is_small(small) && small_.merge(small)) return;
  if (is_weighted()) return merge(WeightedTotals(totals));
  grow().merge(totals);
}

void GroupState::merge(const WeightedTotals& totals) {
  SmallWeightedTotals small;
  SmallWeightedTotals* const own = small_weighted();
  if (own != nullptr && totals.is_small(small) && own->merge(small)) return;
  grow_weighted().merge(totals);
}

GroupState::Rest& GroupState::allocate() {
  if (rest_ == nullptr) rest_ = new Rest;
  return *rest_;
}

Totals& GroupState::grow() {
  Rest& rest = allocate();
  if (rest.totals == nullptr) rest.totals = std::make_unique<Totals>(small_);
  return *rest.totals;
}

SmallWeightedTotals* GroupState::small_weighted() {
  Rest& rest = allocate();
  if (rest.small_weighted != nullptr) return rest.small_weighted.get();
  if (rest.totals != nullptr || rest.weighted != nullptr || Totals(small_).size() > 0) return nullptr;
  rest.small_weighted.reset(new SmallWeightedTotals{});
  return rest.small_weighted.get();
}

WeightedTotals& GroupState::grow_weighted() {
  Rest& rest = allocate();
  if (rest.weighted != nullptr) return *rest.weighted;
  Totals copy;
  rest.weighted = rest.small_weighted != nullptr ? std::make_unique<WeightedTotals>(*rest.small_weighted)
                                                 : std::make_unique<WeightedTotals>(totals(copy));
  rest.small_weighted = nullptr;
  rest.totals = nullptr;
  return *rest.weighted;
}

RowStates::RowStates(const State* states, size_t rows, StateLayout layout)
    : states_(states),
      rows_(rows),
      is_one_for_all_(has_one_for_all(rows, layout)),
      stores_errors_(layout == StateLayout::kOnePerRowOfDistinct) {}

}  // namespace hinge_embedding_loss::duckdb
