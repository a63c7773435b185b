#include "aggregates.h"

#include <algorithm>
#include <new>
#include <vector>

#include "arguments.h"
#include "figures.h"
#include "group_states.h"
#include "partial.h"
#include "registration.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// From this many adjacent rows of one group on, one call for all of them is cheaper than one addition per
// row.
constexpr size_t kMinRun = 32;

template <class T>
void add_run(State state, const Elements<T>& elements, size_t begin, size_t end, const Settings& settings) {
  if (begin == end) return;
  group(state).set_settings(settings);
  const Labels labels = elements.labels_from(begin);
  check_labels(accumulate(group(state).totals, elements.input + begin, labels, end - begin, settings), labels,
               settings);
}

template <class T>
void add_each(const State* states, const Elements<T>& elements, size_t begin, size_t end,
              const Settings& settings) {
  for (size_t i = begin, length; i < end; i += length) {
    Totals* totals[kCopiedRows];
    length = std::min(end - i, kCopiedRows);
    for (size_t k = 0; k < length; k++) {
      GroupState& state = group(states[i + k]);
      state.set_settings(settings);
      totals[k] = &state.totals;
    }
    const Labels labels = elements.labels_from(i);
    check_labels(accumulate_each(totals, elements.input + i, labels, length, settings), labels, settings);
  }
}

// Adds elements [first, last) to states[first], …, states[last - 1].
template <class T>
void add(const State* states, const Elements<T>& elements, size_t first, size_t last,
         const Settings& settings) {
  size_t mixed = first;  // the first element that is not added yet
  for (size_t begin = first, end; begin < last; begin = end) {
    end = std::find_if(states + begin, states + last, [&](State each) { return each != states[begin]; }) -
          states;
    if (end - begin < kMinRun) continue;
    add_each(states, elements, mixed, begin, settings);
    add_run(states[begin], elements, begin, end, settings);
    mixed = end;
  }
  add_each(states, elements, mixed, last, settings);
}

template <class T>
void update_groups(const Arguments& arguments, const RowStates& states) {
  for_each_settings<T>(arguments,
                       [&](const Elements<T>& elements, size_t begin, size_t end, const Settings& settings) {
                         if (states.is_one_for_all()) {
                           add_run(states[0], elements, begin, end, settings);
                         } else if (elements.is_view()) {
                           add(states.from(elements.row(0)), elements, begin, end, settings);
                         } else {
                           State element_states[kCopiedRows];
                           for (size_t i = begin; i < end; i++) element_states[i] = states[elements.row(i)];
                           add(element_states, elements, begin, end, settings);
                         }
                       });
}

Index state_size(FunctionInfo) { return sizeof(GroupState); }

void init(FunctionInfo, State state) { new (state) GroupState{}; }

void update(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  run_callback(api.aggregate_function_set_error, info, [&] {
    const RowStates row_states(states, api.data_chunk_get_size(chunk), caller, info);
    row_states.update([&] {
      const Arguments arguments(chunk);
      arguments.input.type() == Type::kFloat ? update_groups<float>(arguments, row_states)
                                             : update_groups<double>(arguments, row_states);
    });
  });
}

void update_from_partials(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  run_callback(api.aggregate_function_set_error, info, [&] {
    const Column partials(api.data_chunk_get_vector(chunk, 0));
    const size_t rows = api.data_chunk_get_size(chunk);
    const RowStates row_states(states, rows, caller, info);
    row_states.update([&] {
      for (size_t row = 0; row < rows; row++) {
        if (!partials.is_valid(row)) continue;
        Partial partial;
        if (!from_json(partials.text(row), partial)) {
          throw QueryError("partial must be a text that hinge_embedding_loss_partial returns, got '" +
                           excerpt(partials.text(row)) + "'");
        }
        group(row_states[row]).merge(partial);
      }
    });
  });
}

void combine(FunctionInfo info, State* sources, State* targets, Index count) {
  run_callback(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& source = group(sources[i]);
      GroupState& target = group(targets[i]);
      if (source.error != nullptr) target.error = source.error;
      if (!source.has_rows || target.error != nullptr) continue;
      try {
        target.merge({source.totals, source.settings});
      } catch (const QueryError& error) {
        target.error = intern(error.what());
      }
    }
  });
}

// Calls store(state, index) for each state.
template <class Store>
void finalize(FunctionInfo info, State* states, Index count, const Store& store) {
  run_callback(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& state = group(states[i]);
      state.throw_error();
      store(state, i);
    }
  });
}

void finalize_figures(FunctionInfo info, State* states, Vector result, Index count, Index offset) {
  finalize(info, states, count, [&](const GroupState& state, Index i) {
    store_figures(result, offset + i, state.totals, state.settings.policy);
  });
}

void finalize_partials(FunctionInfo info, State* states, Vector result, Index count, Index offset) {
  finalize(info, states, count, [&](const GroupState& state, Index i) {
    if (!state.has_rows) return set_null(result, offset + i);
    const std::string text = to_json({state.totals, state.settings});
    api.vector_assign_string_element_len(result, offset + i, text.data(), text.size());
  });
}

}  // namespace

bool register_aggregates(Connection connection) {
  const std::vector<Parameters> overloads = overloads_for(Type::kAny);
  const Parameters partial[] = {{Type::kVarchar}};
  const OwnedType text(Type::kVarchar);
  return register_aggregate(connection, "hinge_embedding_loss", overloads, FiguresType(),
                            {state_size, init, update, combine, finalize_figures}) &&
         register_aggregate(connection, "hinge_embedding_loss_partial", overloads, text,
                            {state_size, init, update, combine, finalize_partials}) &&
         register_aggregate(connection, "hinge_embedding_loss_merge", partial, text,
                            {state_size, init, update_from_partials, combine, finalize_partials});
}

}  // namespace hinge_embedding_loss::duckdb
