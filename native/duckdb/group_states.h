#pragma once

#include <string>

#include "../hinge_embedding_loss.h"
#include "api.h"
#include "call_sites.h"
#include "errors.h"
#include "partial.h"

// The states of aggregates: totals of a group, in memory that DuckDB owns.
namespace hinge_embedding_loss::duckdb {

// DuckDB moves a state as bytes and never destroys it. All zeros is the state of no rows.
struct GroupState {
  bool has_rows;
  const char* error;  // an interned text, which finalize throws; or null
  Settings settings;
  Totals totals;

  void throw_error() const;

  // Sets the settings of the first row; throws if a later row has others.
  void set_settings(const Settings& expected);
  void merge(const Partial& partial);
};

inline GroupState& group(State state) { return *reinterpret_cast<GroupState*>(state); }

// A copy of the text that is never freed, as a state cannot own memory. Equal texts share one copy.
const char* intern(const std::string& text);

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
      const char* const text = intern(error.what());
      for (size_t row = 0; row < rows_; row++) group(states_[row]).error = text;
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
