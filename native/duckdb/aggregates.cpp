#include "aggregates.h"

#include <algorithm>
#include <new>
#include <span>
#include <vector>

#include "arguments.h"
#include "figures.h"
#include "group_states.h"
#include "partial_column.h"
#include "registration.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// From this many adjacent rows of one group on, one call for all of them is cheaper than one addition per
// row.
constexpr size_t kMinRun = 32;

// The states of so many groups are on their way to the cache while one is added to.
constexpr size_t kPrefetched = 16;

// Adds elements [begin, end) to one state.
template <class T>
void add_run(State state, const Elements<T>& elements, size_t begin, size_t end, const Settings& settings) {
  if (begin == end) return;
  const Labels labels = elements.labels_from(begin);
  if (elements.weights != nullptr) {
    return group(state).add_weighted_run(PackedSettings(settings), end - begin, [&](WeightedTotals& totals) {
      check_labels(accumulate(totals, Input(elements.input + begin), labels, elements.weights_from(begin),
                              end - begin, settings),
                   labels, settings);
    });
  }
  group(state).add_run(PackedSettings(settings), end - begin, [&](Totals& totals) {
    check_labels(accumulate(totals, Input(elements.input + begin), labels, end - begin, settings), labels,
                 settings);
  });
}

// Adds element i to states[i], for each i in [begin, end).
template <class T>
void add_each(const State* states, const Elements<T>& elements, size_t begin, size_t end,
              const Settings& settings) {
  const PackedSettings packed(settings);
  for (size_t i = begin, length; i < end; i += length) {
    T losses[kCopiedRows];
    int8_t classes[kCopiedRows];
    length = std::min(end - i, kCopiedRows);
    const Labels labels = elements.labels_from(i);
    check_labels(classify(losses, classes, elements.input + i, labels, length, settings), labels, settings);
    for (size_t k = 0; k < length; k++) {
      if (k + kPrefetched < length) group(states[i + k + kPrefetched]).prefetch();
      GroupState& state = group(states[i + k]);
      const auto loss = static_cast<double>(losses[k]);
      if (elements.weights == nullptr) {
        state.add(packed, loss, classes[k]);
      } else {
        state.add(packed, loss, elements.weights[i + k], classes[k]);
      }
    }
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

template <bool kIsWeighted>
void update(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  run_callback(api.aggregate_function_set_error, info, [&] {
    const RowStates row_states(states, api.data_chunk_get_size(chunk), caller, info);
    row_states.update([&] {
      const Arguments arguments(chunk, kIsWeighted);
      arguments.input.type() == Type::kFloat ? update_groups<float>(arguments, row_states)
                                             : update_groups<double>(arguments, row_states);
    });
  });
}

void update_from_partials(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  run_callback(api.aggregate_function_set_error, info, [&] {
    const PartialColumn partials(api.data_chunk_get_vector(chunk, 0));
    const size_t rows = api.data_chunk_get_size(chunk);
    const RowStates row_states(states, rows, caller, info);
    row_states.update([&] {
      for (size_t row = 0; row < rows; row++) {
        if (!partials.is_valid(row)) continue;
        Partial partial;
        partials.read(row, partial);
        group(row_states[row]).merge(partial);
      }
    });
  });
}

void combine(FunctionInfo info, State* sources, State* targets, Index count) {
  run_callback(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) group(targets[i]).combine(group(sources[i]));
  });
}

void destroy(State* states, Index count) {
  for (Index i = 0; i < count; i++) group(states[i]).destroy();
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

template <bool kIsWeighted>
void finalize_figures(FunctionInfo info, State* states, Vector result, Index count, Index offset) {
  const FigureColumns columns(result, kIsWeighted);
  finalize(info, states, count,
           [&](const GroupState& state, Index i) { columns.store(offset + i, state.figures()); });
}

template <WritePartial Write>
void finalize_partials(FunctionInfo info, State* states, Vector result, Index count, Index offset) {
  finalize(info, states, count, [&](const GroupState& state, Index i) {
    if (!state.has_rows()) return set_null(result, offset + i);
    char bytes[kMaxPartialBytes];
    set_text(result, offset + i, {bytes, Write(bytes, state.partial())});
  });
}

template <bool kIsWeighted>
std::vector<AggregateOverload> overloads_of_pairs(LogicalType result, Finalize finalize) {
  std::vector<AggregateOverload> overloads;
  for (const Parameters& parameters : overloads_for(Type::kAny, kIsWeighted)) {
    overloads.push_back(
        {parameters, result, {state_size, init, update<kIsWeighted>, combine, finalize, destroy}});
  }
  return overloads;
}

AggregateOverload overload_of_partials(Type type, LogicalType result, Finalize finalize) {
  return {{type}, result, {state_size, init, update_from_partials, combine, finalize, destroy}};
}

}  // namespace

bool register_aggregates(Connection connection) {
  const OwnedType text(Type::kVarchar), blob(Type::kBlob);
  const FiguresType figures;
  const WeightedFiguresType weighted_figures;
  const Finalize to_json = finalize_partials<write_json>, to_bytes = finalize_partials<pack>;
  const AggregateOverload merges[] = {overload_of_partials(Type::kVarchar, text, to_json),
                                      overload_of_partials(Type::kBlob, blob, to_bytes)};
  const auto add = [&](const char* name, std::span<const AggregateOverload> overloads) {
    return register_aggregate(connection, name, overloads);
  };
  return add("hinge_embedding_loss", overloads_of_pairs<false>(figures, finalize_figures<false>)) &&
         add("hinge_embedding_loss_partial", overloads_of_pairs<false>(text, to_json)) &&
         add("hinge_embedding_loss_state", overloads_of_pairs<false>(blob, to_bytes)) &&
         add("hinge_embedding_loss_weighted",
             overloads_of_pairs<true>(weighted_figures, finalize_figures<true>)) &&
         add("hinge_embedding_loss_weighted_partial", overloads_of_pairs<true>(text, to_json)) &&
         add("hinge_embedding_loss_weighted_state", overloads_of_pairs<true>(blob, to_bytes)) &&
         add("hinge_embedding_loss_merge", merges);
}

}  // namespace hinge_embedding_loss::duckdb
