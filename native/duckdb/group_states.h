#pragma once

#include <bit>
#include <memory>
#include <string>

#include "../hinge_embedding_loss.h"
#include "api.h"
#include "call_sites.h"
#include "errors.h"
#include "partial.h"

// The states of aggregates: totals of a group, in memory that DuckDB owns.
namespace hinge_embedding_loss::duckdb {

// Settings in 16 bytes; all zeros for none.
class PackedSettings {
 public:
  PackedSettings() = default;
  explicit PackedSettings(const Settings& settings)
      : margin_(std::bit_cast<uint64_t>(settings.margin)),
        rest_(pack_label(settings.positive_label) << 34 | pack_label(settings.negative_label) << 8 |
              (static_cast<uint64_t>(settings.policy) + 1)) {}

  bool operator==(const PackedSettings&) const = default;
  bool is_none() const { return rest_ == 0; }

  Settings unpack() const {
    return {std::bit_cast<double>(margin_), unpack_label(rest_ >> 34), unpack_label(rest_ >> 8),
            static_cast<OtherLabelPolicy>((rest_ & 0xff) - 1)};
  }

 private:
  static constexpr int32_t kMaxLabel = 1 << 24;
  static uint64_t pack_label(int32_t label) { return static_cast<uint64_t>(label + kMaxLabel); }
  static int32_t unpack_label(uint64_t bits) { return static_cast<int32_t>(bits & 0x3ffffff) - kMaxLabel; }

  uint64_t margin_;
  uint64_t rest_;
};

// DuckDB moves a state as bytes, aligned to 8, and destroys it once. All zeros is the state of no rows. Most
// groups have few rows: their totals fit into the state or, with weights, into some 200 bytes beside it.
// Others have full ones of a kilobyte or, with weights, four.
class GroupState {
 public:
  // From this many elements at once on, a group has full totals.
  static constexpr size_t kMinFullRun = 1024;

  // Adds an element under these settings.
  void add(const PackedSettings& settings, double loss, int8_t class_of) {
    set_settings(settings);
    if (rest_ == nullptr && small_.add(loss, class_of)) return;
    if (is_weighted()) return grow_weighted().add(loss, 1, class_of);
    grow().add(loss, class_of);
  }

  // Calls accumulate(totals), which adds `count` elements under these settings to the totals.
  template <class Accumulate>
  void add_run(const PackedSettings& settings, size_t count, const Accumulate& accumulate) {
    set_settings(settings);
    if (count >= kMinFullRun && !is_weighted()) grow();
    if (rest_ != nullptr && rest_->totals != nullptr) return accumulate(*rest_->totals);
    Totals totals;
    accumulate(totals);
    merge(totals);
  }

  // The same with weights.
  void add(const PackedSettings& settings, double loss, double weight, int8_t class_of) {
    set_settings(settings);
    SmallWeightedTotals* const small = small_weighted();
    if (small != nullptr && small->add(loss, weight, class_of)) return;
    grow_weighted().add(loss, weight, class_of);
  }
  template <class Accumulate>
  void add_weighted_run(const PackedSettings& settings, size_t count, const Accumulate& accumulate) {
    set_settings(settings);
    if (count >= kMinFullRun || small_weighted() == nullptr) return accumulate(grow_weighted());
    WeightedTotals totals;
    accumulate(totals);
    merge(totals);
  }

  void merge(const Partial& partial);

  // Adds the rows of the source, or stores the error that this is.
  void combine(const GroupState& source);

  void store_error(const char* error) { allocate().error = error; }
  void throw_error() const;

  bool has_rows() const { return !settings_.is_none(); }
  Partial partial() const;
  Figures figures() const;

  void destroy();

  // The state may lie in two cache lines.
  void prefetch() const {
    __builtin_prefetch(this, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(this + 1) - 1, 1);
  }

 private:
  // What does not fit into the state. At most one of the totals is there, and has then all elements.
  struct Rest {
    std::string error;  // finalize throws it; "" for none
    std::unique_ptr<Totals> totals;
    std::unique_ptr<SmallWeightedTotals> small_weighted;
    std::unique_ptr<WeightedTotals> weighted;
  };

  // Sets the settings of the first row; throws if a later row has others.
  void set_settings(const PackedSettings& settings) {
    if (settings_ == settings) return;
    if (has_rows()) throw_different(settings);
    settings_ = settings;
  }
  [[noreturn]] void throw_different(const PackedSettings& settings) const;
  bool is_weighted() const {
    return rest_ != nullptr && (rest_->small_weighted != nullptr || rest_->weighted != nullptr);
  }
  // Returns a reference to the full totals, or to `copy`.
  const Totals& totals(Totals& copy) const;
  const WeightedTotals& weighted_totals(WeightedTotals& copy) const;
  uint64_t size() const;
  void merge(const Totals& totals);
  void merge(const WeightedTotals& totals);
  Rest& allocate();
  Totals& grow();
  // The small totals with weights, for a group that has no other ones; or null.
  SmallWeightedTotals* small_weighted();
  WeightedTotals& grow_weighted();

  PackedSettings settings_;
  SmallTotals small_;
  Rest* rest_;
};

inline GroupState& group(State state) { return *reinterpret_cast<GroupState*>(state); }

// The states that an update function adds rows to.
class RowStates {
 public:
  // `caller` is the return address of the update function.
  RowStates(const State* states, size_t rows, void* caller, FunctionInfo info)
      : RowStates(states, rows, layout_at_call(reinterpret_cast<Address>(caller), info)) {}

  State operator[](size_t row) const { return states_[is_one_for_all_ ? 0 : row]; }
  const State* from(size_t row) const { return states_ + row; }
  bool is_one_for_all() const { return is_one_for_all_; }

  // Calls add(). If DuckDB would wait forever after an error, the states store it.
  template <class Add>
  void update(const Add& add) const {
    if (!stores_errors_) return add();
    try {
      add();
    } catch (const QueryError& error) {
      for (size_t row = 0; row < rows_; row++) group(states_[row]).store_error(error.what());
    }
  }

 private:
  RowStates(const State* states, size_t rows, StateLayout layout);

  const State* const states_;
  const size_t rows_;
  const bool is_one_for_all_;
  const bool stores_errors_;
};

}  // namespace hinge_embedding_loss::duckdb
