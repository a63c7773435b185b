// DuckDB only: vectors in, exact states, results out. An exception ends the query with its text.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "duckdb_api.h"
#include "hinge_embedding_loss.h"
#include "kernels.h"
#include "partial.h"
#include "scoring.h"
#include "site_calibration.h"
#include "update_sites.h"

namespace {

namespace hel = hinge_embedding_loss;
using namespace duckdb_api;

Functions api;

// Released DuckDBs from 2.0 on pass one state a row to every update.
bool is_one_state_per_row = false;

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr struct {
  Type type;
  hel::LabelType label;
  size_t bytes;
} kLabelTypes[] = {
    {Type::kBoolean, hel::LabelType::kUint8, 1},    {Type::kTinyint, hel::LabelType::kInt8, 1},
    {Type::kSmallint, hel::LabelType::kInt16, 2},   {Type::kInteger, hel::LabelType::kInt32, 4},
    {Type::kBigint, hel::LabelType::kInt64, 8},     {Type::kUtinyint, hel::LabelType::kUint8, 1},
    {Type::kUsmallint, hel::LabelType::kUint16, 2}, {Type::kUinteger, hel::LabelType::kUint32, 4},
    {Type::kUbigint, hel::LabelType::kUint64, 8},   {Type::kFloat, hel::LabelType::kFloat32, 4},
    {Type::kDouble, hel::LabelType::kFloat64, 8},
};
constexpr Type kInputTypes[] = {Type::kFloat, Type::kDouble};

// (input, label [, margin [, positive_label, negative_label, other_labels]])
constexpr Type kOptionTypes[] = {Type::kDouble, Type::kDouble, Type::kDouble, Type::kVarchar};
constexpr size_t kOptionCounts[] = {0, 1, std::size(kOptionTypes)};
constexpr size_t kArgumentsMax = 2 + std::size(kOptionTypes);

struct Overload {
  Type input;
  decltype(&kLabelTypes[0]) label;
  size_t options;
};

constexpr auto kOverloads = [] {
  std::array<Overload, std::size(kInputTypes) * std::size(kLabelTypes) * std::size(kOptionCounts)>
      overloads{};
  size_t at = 0;
  for (const Type input : kInputTypes) {
    for (const auto& label : kLabelTypes) {
      for (const size_t options : kOptionCounts) overloads[at++] = {input, &label, options};
    }
  }
  return overloads;
}();

struct Column {
  const char* data;
  const uint64_t* validity;  // a bit a row; null where all are valid

  Column() = default;
  explicit Column(Vector vector)
      : data(static_cast<const char*>(api.vector_get_data(vector))),
        validity(api.vector_get_validity(vector)) {}

  bool is_valid(size_t row) const { return validity == nullptr || (validity[row / 64] >> row % 64 & 1); }

  template <class T>
  const T& at(size_t row) const {
    return reinterpret_cast<const T*>(data)[row];
  }
};

// The text lies in the value itself where it is short.
std::string_view text_at(const Column& column, size_t row) {
  Text& text = const_cast<Text&>(column.at<Text>(row));
  return {api.string_data(&text), api.string_length(text)};
}

// The columns of a call: input, label and the options there are.
class Arguments {
 public:
  const Overload& overload;
  const size_t rows;

  Arguments(DataChunk chunk, const Overload& called)
      : overload(called), rows(api.data_chunk_get_size(chunk)), count_(2 + called.options) {
    for (size_t c = 0; c < count_; c++) columns_[c] = Column(api.data_chunk_get_vector(chunk, c));
  }

  const Column& operator[](size_t column) const { return columns_[column]; }

  bool has_nulls() const {
    return std::any_of(columns_, columns_ + count_,
                       [](const Column& each) { return each.validity != nullptr; });
  }

  bool is_valid(size_t row) const {
    return std::all_of(columns_, columns_ + count_, [&](const Column& each) { return each.is_valid(row); });
  }

  // Whether the options are, by their bytes, the same in all rows; if not, they may still be equal.
  bool has_one_scoring() const {
    for (size_t c = 2; c < count_; c++) {
      const size_t bytes = kOptionTypes[c - 2] == Type::kVarchar ? sizeof(Text) : sizeof(double);
      if (std::memcmp(columns_[c].data, columns_[c].data + bytes, (rows - 1) * bytes) != 0) return false;
    }
    return true;
  }

  hel::Scoring scoring(size_t row) const {
    hel::Scoring scoring;
    const double margin = overload.options > 0 ? columns_[2].at<double>(row) : scoring.settings.margin;
    const bool has_labels = overload.options > 1;
    const std::string error =
        has_labels ? hel::read_scoring(margin, columns_[3].at<double>(row), columns_[4].at<double>(row),
                                       text_at(columns_[5], row), scoring)
                   : hel::read_scoring(margin, 1, -1, "error", scoring);
    if (!error.empty()) throw Refusal(error);
    if (overload.input == Type::kFloat && !std::isfinite(static_cast<float>(margin))) {
      throw Refusal("margin must be finite in float32, as the input is, got " + hel::number_text(margin));
    }
    return scoring;
  }

 private:
  const size_t count_;
  Column columns_[kArgumentsMax];
};

// The rows without nulls among the next kBlock of a chunk, one after the other in memory.
template <class T>
class Batch {
 public:
  const T* input;
  hel::Labels labels;
  size_t size;

  Batch(const Arguments& arguments, size_t begin)
      : size(std::min(arguments.rows - begin, hel::kBlock)),
        begin_(begin),
        is_whole_(!arguments.has_nulls()) {
    const auto& [_, label_type, bytes] = *arguments.overload.label;
    input = &arguments[0].at<T>(begin);
    labels = {label_type, arguments[1].data + begin * bytes, 0};
    if (is_whole_) return;
    size_t present = 0;
    for (size_t i = 0; i < size; i++) {
      rows_[present] = static_cast<uint16_t>(i);
      present += arguments.is_valid(begin + i);
    }
    size = present;
    for (size_t i = 0; i < size; i++) {
      input_copy_[i] = input[rows_[i]];
      std::memcpy(label_copy_ + i * bytes, arguments[1].data + (begin + rows_[i]) * bytes, bytes);
    }
    input = input_copy_;
    labels.data = label_copy_;
  }

  // Where in the chunk they are.
  size_t row(size_t i) const { return begin_ + (is_whole_ ? i : rows_[i]); }

 private:
  const size_t begin_;
  const bool is_whole_;
  uint16_t rows_[hel::kBlock];
  T input_copy_[hel::kBlock];
  alignas(8) char label_copy_[hel::kBlock * 8];
};

hel::Labels labels_from(const hel::Labels& labels, const Overload& overload, size_t index) {
  return {labels.type, static_cast<const char*>(labels.data) + index * overload.label->bytes, 0};
}

// Calls score(batch, begin, end, scoring) for all rows without nulls: rows [begin, end) of the batch have
// that scoring.
template <class T, class Score>
void for_each_scoring(const Arguments& arguments, const Score& score) {
  const bool is_one = arguments.rows > 0 && arguments.has_one_scoring();
  for (size_t first = 0; first < arguments.rows; first += hel::kBlock) {
    const Batch<T> batch(arguments, first);
    const size_t step = is_one ? batch.size : 1;
    for (size_t i = 0; i < batch.size; i += step) {
      score(batch, i, i + step, arguments.scoring(batch.row(i)));
    }
  }
}

void refuse_others(const hel::OtherLabels& others, const hel::Labels& labels, const hel::Scoring& scoring) {
  if (others.count == 0 || scoring.policy != hel::OtherLabelPolicy::kError) return;
  throw Refusal(hel::other_label_error(scoring.settings, hel::label_at(labels, others.first)));
}

// The state of a group. DuckDB moves it as memory and never destroys it.
struct GroupState {
  bool is_set;  // there were rows
  hel::Scoring scoring;
  hel::Totals totals;

  void expect(const hel::Scoring& expected) {
    if (!is_set) scoring = expected;
    is_set = true;
    if (scoring == expected) return;
    throw Refusal("margin, labels and other_labels must be the same in all rows of a group, got " +
                  text(scoring) + " and " + text(expected));
  }

  void merge(const hel::Partial& partial) {
    expect(partial.scoring);
    if (totals.size() + partial.totals.size() > hel::kSizeMax)
      throw Refusal("below 2^53 elements can be counted");
    totals.merge(partial.totals);
  }

 private:
  static std::string text(const hel::Scoring& scoring) {
    const auto& [margin, positive, negative] = scoring.settings;
    return "(" + hel::number_text(margin) + ", " + std::to_string(positive) + ", " +
           std::to_string(negative) + ", '" +
           std::string(hel::kPolicyNames[static_cast<size_t>(scoring.policy)]) + "')";
  }
};

// The states that rows are added to.
class States {
 public:
  // `caller` is the return address of the update function.
  States(const State* states, size_t rows, void* caller, FunctionInfo info)
      : states_(states),
        is_one_for_all_(
            is_one(rows, update_sites::states_at(reinterpret_cast<update_sites::Address>(caller), info))) {}

  State operator[](size_t row) const { return states_[is_one_for_all_ ? 0 : row]; }

 private:
  static bool is_one(size_t rows, update_sites::States states) {
    switch (states) {
      case update_sites::States::kOnePerRow:
        return false;
      case update_sites::States::kOneForAll:
        return true;
      case update_sites::States::kFirstRowOnly:
        throw Refusal(
            "DuckDB passes the first row to an extension again and again here: give the window an order, "
            "OVER (ORDER BY …)");
      case update_sites::States::kUnknown:
        if (is_one_state_per_row || rows <= 1) return false;
        throw Refusal(
            "DuckDB does not say here which rows belong to which group (duckdb/duckdb issue 21537): use "
            "GROUP BY and "
            "a join, hinge_embedding_loss_of(list(input) OVER …, list(label) OVER …), or DuckDB 2.0");
    }
    __builtin_unreachable();
  }

  const State* const states_;
  const bool is_one_for_all_;
};

GroupState& group(State state) { return *reinterpret_cast<GroupState*>(state); }

// So many rows of one group that are next to each other are cheaper to sum at once than one by one.
constexpr size_t kRunMin = 32;

template <class T>
void add_run(const State* states, const T* input, const hel::Labels& labels, size_t n,
             const hel::Scoring& scoring) {
  if (n == 0) return;
  GroupState& state = group(states[0]);
  state.expect(scoring);
  refuse_others(hel::accumulate(state.totals, input, labels, n, scoring.settings), labels, scoring);
}

template <class T>
void add_each(const State* states, const T* input, const hel::Labels& labels, size_t n,
              const hel::Scoring& scoring) {
  hel::Totals* totals[hel::kBlock];
  for (size_t i = 0; i < n; i++) {
    GroupState& state = group(states[i]);
    state.expect(scoring);
    totals[i] = &state.totals;
  }
  refuse_others(hel::accumulate_each(totals, input, labels, n, scoring.settings), labels, scoring);
}

template <class T>
void add(const Overload& overload, const State* states, const T* input, const hel::Labels& labels, size_t n,
         const hel::Scoring& scoring) {
  const auto add_rows = [&](auto add, size_t begin, size_t end) {
    add(states + begin, input + begin, labels_from(labels, overload, begin), end - begin, scoring);
  };
  size_t mixed = 0;  // rows from here on wait to be added one by one
  for (size_t begin = 0, end; begin < n; begin = end) {
    end =
        std::find_if(states + begin, states + n, [&](State each) { return each != states[begin]; }) - states;
    if (end - begin < kRunMin) continue;
    add_rows(add_each<T>, mixed, begin);
    add_rows(add_run<T>, begin, end);
    mixed = end;
  }
  add_rows(add_each<T>, mixed, n);
}

template <class T>
void update_groups(const Arguments& arguments, const States& states) {
  for_each_scoring<T>(arguments,
                      [&](const Batch<T>& batch, size_t begin, size_t end, const hel::Scoring& scoring) {
                        State own[hel::kBlock];
                        for (size_t i = begin; i < end; i++) own[i] = states[batch.row(i)];
                        add(arguments.overload, own + begin, batch.input + begin,
                            labels_from(batch.labels, arguments.overload, begin), end - begin, scoring);
                      });
}

template <class T>
void score_rows(const Arguments& arguments, Vector output) {
  T* out = static_cast<T*>(api.vector_get_data(output));
  for_each_scoring<T>(
      arguments, [&](const Batch<T>& batch, size_t begin, size_t end, const hel::Scoring& scoring) {
        const hel::Labels labels = labels_from(batch.labels, arguments.overload, begin);
        T losses[hel::kBlock];
        refuse_others(hel::forward(losses, batch.input + begin, labels, end - begin, scoring.settings),
                      labels, scoring);
        for (size_t i = begin; i < end; i++) out[batch.row(i)] = losses[i - begin];
      });
  if (!arguments.has_nulls()) return;
  api.vector_ensure_validity_writable(output);
  uint64_t* validity = api.vector_get_validity(output);
  for (size_t row = 0; row < arguments.rows; row++) {
    if (!arguments.is_valid(row)) api.validity_set_row_invalid(validity, row);
  }
}

template <class Body>
void guard(void (*set_error)(FunctionInfo, const char*), FunctionInfo info, const Body& body) {
  try {
    body();
  } catch (const std::exception& error) {
    set_error(info, error.what());
  }
}

void score_each(FunctionInfo info, DataChunk chunk, Vector output) {
  guard(api.scalar_function_set_error, info, [&] {
    const auto& overload = *static_cast<const Overload*>(api.scalar_function_get_extra_info(info));
    const Arguments arguments(chunk, overload);
    overload.input == Type::kFloat ? score_rows<float>(arguments, output)
                                   : score_rows<double>(arguments, output);
  });
}

Index state_size(FunctionInfo) { return sizeof(GroupState); }

void init_state(FunctionInfo, State state) { new (state) GroupState{false, {}, {}}; }

void update(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  guard(api.aggregate_function_set_error, info, [&] {
    const auto& overload = *static_cast<const Overload*>(api.aggregate_function_get_extra_info(info));
    const Arguments arguments(chunk, overload);
    const States own(states, arguments.rows, caller, info);
    overload.input == Type::kFloat ? update_groups<float>(arguments, own)
                                   : update_groups<double>(arguments, own);
  });
}

void update_from_partials(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  guard(api.aggregate_function_set_error, info, [&] {
    const Column partials(api.data_chunk_get_vector(chunk, 0));
    const size_t rows = api.data_chunk_get_size(chunk);
    const States own(states, rows, caller, info);
    for (size_t row = 0; row < rows; row++) {
      if (!partials.is_valid(row)) continue;
      const std::string_view text = text_at(partials, row);
      hel::Partial partial;
      if (!hel::from_json(text, partial)) {
        throw Refusal("partial must be what hinge_embedding_loss_partial gives, got '" + hel::excerpt(text) +
                      "'");
      }
      group(own[row]).merge(partial);
    }
  });
}

void combine(FunctionInfo info, State* sources, State* targets, Index count) {
  guard(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& source = group(sources[i]);
      if (source.is_set) group(targets[i]).merge({source.totals, source.scoring});
    }
  });
}

template <class T>
void store(Vector parent, Index field, Index row, T value) {
  static_cast<T*>(api.vector_get_data(api.struct_vector_get_child(parent, field)))[row] = value;
}

void store_class(Vector parent, Index row, const hel::ClassFigures& figures) {
  store(parent, 0, row, static_cast<int64_t>(figures.count));
  store(parent, 1, row, figures.sum);
  store(parent, 2, row, figures.mean);
}

void finalize_figures(FunctionInfo, State* sources, Vector result, Index count, Index offset) {
  const Vector positives = api.struct_vector_get_child(result, 3);
  const Vector negatives = api.struct_vector_get_child(result, 4);
  for (Index i = 0; i < count; i++) {
    const GroupState& source = group(sources[i]);
    const hel::Figures figures = source.totals.figures(source.scoring.policy);
    const Index row = offset + i;
    store_class(result, row, figures.all);
    store_class(positives, row, figures.positives);
    store_class(negatives, row, figures.negatives);
    store(negatives, 3, row, static_cast<int64_t>(figures.active));
    store(result, 5, row, static_cast<int64_t>(figures.others));
  }
}

void finalize_partials(FunctionInfo info, State* sources, Vector result, Index count, Index offset) {
  guard(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& source = group(sources[i]);
      if (source.is_set) {
        const std::string text = hel::to_json({source.totals, source.scoring});
        api.vector_assign_string_element_len(result, offset + i, text.data(), text.size());
      } else {
        api.vector_ensure_validity_writable(result);
        api.validity_set_row_invalid(api.vector_get_validity(result), offset + i);
      }
    }
  });
}

// A logical type of DuckDB's, freed at the end.
class OwnType {
 public:
  explicit OwnType(Type type) : type_(api.create_logical_type(type)) {}
  OwnType(std::initializer_list<const char*> names, std::initializer_list<LogicalType> types)
      : type_(api.create_struct_type(const_cast<LogicalType*>(types.begin()),
                                     const_cast<const char**>(names.begin()), types.size())) {}
  OwnType(const OwnType&) = delete;
  ~OwnType() { api.destroy_logical_type(&type_); }
  operator LogicalType() const { return type_; }

 private:
  LogicalType type_;
};

template <class Visit>
void for_each_parameter(const Overload& overload, const Visit& visit) {
  visit(OwnType(overload.input));
  visit(OwnType(overload.label->type));
  for (size_t i = 0; i < overload.options; i++) visit(OwnType(kOptionTypes[i]));
}

void require(Result result) {
  if (result != Result::kSuccess) throw Refusal("DuckDB refused a function of hinge_embedding_loss");
}

AggregateFunction create_aggregate(const char* name, LogicalType result, Update update, Finalize finalize) {
  const AggregateFunction function = api.create_aggregate_function();
  api.aggregate_function_set_name(function, name);
  api.aggregate_function_set_return_type(function, result);
  api.aggregate_function_set_functions(function, state_size, init_state, update, combine, finalize);
  return function;
}

void register_aggregates(Connection connection, const char* name, LogicalType result, Finalize finalize) {
  AggregateFunctionSet set = api.create_aggregate_function_set(name);
  for (const Overload& overload : kOverloads) {
    AggregateFunction function = create_aggregate(name, result, update, finalize);
    for_each_parameter(overload,
                       [&](LogicalType type) { api.aggregate_function_add_parameter(function, type); });
    api.aggregate_function_set_extra_info(function, const_cast<Overload*>(&overload), nullptr);
    require(api.add_aggregate_function_to_set(set, function));
    api.destroy_aggregate_function(&function);
  }
  require(api.register_aggregate_function_set(connection, set));
  api.destroy_aggregate_function_set(&set);
}

void register_merge(Connection connection, const char* name, LogicalType text) {
  AggregateFunctionSet set = api.create_aggregate_function_set(name);
  AggregateFunction function = create_aggregate(name, text, update_from_partials, finalize_partials);
  api.aggregate_function_add_parameter(function, text);
  require(api.add_aggregate_function_to_set(set, function));
  api.destroy_aggregate_function(&function);
  require(api.register_aggregate_function_set(connection, set));
  api.destroy_aggregate_function_set(&set);
}

void register_scalars(Connection connection, const char* name) {
  ScalarFunctionSet set = api.create_scalar_function_set(name);
  for (const Overload& overload : kOverloads) {
    ScalarFunction function = api.create_scalar_function();
    api.scalar_function_set_name(function, name);
    for_each_parameter(overload,
                       [&](LogicalType type) { api.scalar_function_add_parameter(function, type); });
    api.scalar_function_set_return_type(function, OwnType(overload.input));
    api.scalar_function_set_extra_info(function, const_cast<Overload*>(&overload), nullptr);
    api.scalar_function_set_function(function, score_each);
    require(api.add_scalar_function_to_set(set, function));
    api.destroy_scalar_function(&function);
  }
  require(api.register_scalar_function_set(connection, set));
  api.destroy_scalar_function_set(&set);
}

void register_functions(Connection connection) {
  const OwnType count(Type::kBigint), figure(Type::kDouble), text(Type::kVarchar);
  const OwnType positives({"count", "sum", "mean"}, {count, figure, figure});
  const OwnType negatives({"count", "sum", "mean", "active"}, {count, figure, figure, count});
  const OwnType figures({"count", "sum", "mean", "positives", "negatives", "others"},
                        {count, figure, figure, positives, negatives, count});
  register_aggregates(connection, "hinge_embedding_loss", figures, finalize_figures);
  register_aggregates(connection, "hinge_embedding_loss_partial", text, finalize_partials);
  register_merge(connection, "hinge_embedding_loss_merge", text);
  register_scalars(connection, "hinge_embedding_loss_each");
}

}  // namespace

extern "C" __attribute__((visibility("default"))) bool hinge_embedding_loss_init_c_api(ExtensionInfo info,
                                                                                       const Access* access) {
  const auto* table = static_cast<void* const*>(access->get_api(info, "v1.2.0"));
  if (table == nullptr) return false;  // DuckDB has set the error
  Functions loaded;
#define DUCKDB_API_LOAD(name, place, ...) loaded.name = reinterpret_cast<__VA_ARGS__>(table[place]);
  DUCKDB_API_FUNCTIONS(DUCKDB_API_LOAD)
#undef DUCKDB_API_LOAD
  if (api.connect != nullptr && api.connect != loaded.connect) {
    access->set_error(
        info,
        "another DuckDB library in this process has loaded this file of hinge_embedding_loss: load a "
        "copy of the file here");
    return false;
  }
  if (api.connect == nullptr) api = loaded;
  const std::string_view version = api.library_version();  // v2.0.0, before its release v2.0.0-dev1
  is_one_state_per_row = std::atoi(version.data() + 1) >= 2 && version.find('-') == std::string_view::npos;
  Connection connection;
  if (api.connect(*access->get_database(info), &connection) != Result::kSuccess) {
    access->set_error(info, "hinge_embedding_loss cannot connect to the database");
    return false;
  }
  bool is_registered = true;
  try {
    register_functions(connection);
    calibrate_update_sites(api, connection);
  } catch (const std::exception& error) {
    access->set_error(info, error.what());
    is_registered = false;
  }
  api.disconnect(&connection);
  return is_registered;
}
