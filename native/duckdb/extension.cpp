// DuckDB only: vectors in, exact states, results out. An exception ends the query with its text.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../float_environment.h"
#include "../hinge_embedding_loss.h"
#include "../kernels/kernels.h"
#include "api.h"
#include "calibration.h"
#include "call_sites.h"
#include "partial.h"
#include "settings.h"

namespace {

namespace hel = hinge_embedding_loss;
using namespace duckdb_api;

Functions api;

// Released DuckDBs from 2.0 on pass one state a row to every update.
bool is_one_state_per_row = false;

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// (input, label [, margin [, positive_label, negative_label, other_labels]])
constexpr Type kOptionTypes[] = {Type::kDouble, Type::kDouble, Type::kDouble, Type::kVarchar};
constexpr size_t kOptionCounts[] = {0, 1, std::size(kOptionTypes)};

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
  return {api.string_t_data(&text), api.string_t_length(text)};
}

// A logical type of DuckDB's, freed at the end.
class OwnType {
 public:
  explicit OwnType(LogicalType type) : type_(type) {}
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

struct LabelType {
  hel::LabelType type;
  size_t bytes;
};

// The types whose values the core reads as labels.
const LabelType* label_type_of(Type type) {
  static constexpr LabelType kTypes[] = {
      {hel::LabelType::kUint8, 1},   {hel::LabelType::kInt8, 1},    {hel::LabelType::kInt16, 2},
      {hel::LabelType::kInt32, 4},   {hel::LabelType::kInt64, 8},   {hel::LabelType::kUint8, 1},
      {hel::LabelType::kUint16, 2},  {hel::LabelType::kUint32, 4},  {hel::LabelType::kUint64, 8},
      {hel::LabelType::kFloat32, 4}, {hel::LabelType::kFloat64, 8},
  };
  return type >= Type::kBoolean && type <= Type::kDouble ? &kTypes[static_cast<size_t>(type) - 1] : nullptr;
}

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

// numerator / 10^scale, rounded once.
double divide_by_power(Int128 numerator, int scale) {
  constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  constexpr Int128 kExactMax = Int128{1} << 53;
  if (scale == 0) return static_cast<double>(numerator);
  if (-kExactMax <= numerator && numerator <= kExactMax && scale < static_cast<int>(std::size(kPowers))) {
    return static_cast<double>(numerator) / kPowers[scale];
  }
  std::string text;
  for (Uint128 rest = numerator < 0 ? -static_cast<Uint128>(numerator) : numerator; rest > 0; rest /= 10) {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  const double value = hel::read_number(text + "e-" + std::to_string(scale));
  return numerator < 0 ? -value : value;
}

// A column of numbers of any type.
class Numbers : public Column {
 public:
  Numbers() = default;
  Numbers(Vector vector, const char* name) : Column(vector) {
    const OwnType type(api.vector_get_column_type(vector));
    type_ = api.get_type_id(type);
    if (type_ == Type::kDecimal) {
      scale_ = api.decimal_scale(type);
      stored_ = api.decimal_internal_type(type);
    } else {
      stored_ = type_;
    }
    const bool is_number = label_type_of(stored_) != nullptr || stored_ == Type::kHugeint ||
                           stored_ == Type::kUhugeint || stored_ == Type::kNull;
    if (is_number) return;
    throw Refusal(std::string(name) + " must be a number" +
                  (type_ == Type::kVarchar ? ", got VARCHAR: CAST(… AS DOUBLE) reads numbers in text"
                                           : ": CAST(CAST(… AS VARCHAR) AS DOUBLE) reads other types"));
  }

  Type type() const { return type_; }

  // The nearest double.
  double number(size_t row) const {
    switch (stored_) {
      case Type::kBoolean:
      case Type::kUtinyint:
        return at<uint8_t>(row);
      case Type::kTinyint:
        return at<int8_t>(row);
      case Type::kSmallint:
        return divide_by_power(at<int16_t>(row), scale_);
      case Type::kInteger:
        return divide_by_power(at<int32_t>(row), scale_);
      case Type::kBigint:
        return divide_by_power(at<int64_t>(row), scale_);
      case Type::kUsmallint:
        return at<uint16_t>(row);
      case Type::kUinteger:
        return at<uint32_t>(row);
      case Type::kUbigint:
        return static_cast<double>(at<uint64_t>(row));
      case Type::kFloat:
        return at<float>(row);
      case Type::kDouble:
        return at<double>(row);
      case Type::kUhugeint:
        return static_cast<double>(wide(row));
      default:
        return divide_by_power(static_cast<Int128>(wide(row)), scale_);
    }
  }

  // Of a column that the core does not read: the nearest double, but no integer for what is none.
  double label(size_t row) const {
    const double value = number(row);
    if (type_ != Type::kDecimal || value != std::trunc(value) || is_integer(row)) return value;
    return std::nextafter(value, HUGE_VAL);
  }

 private:
  Uint128 wide(size_t row) const {
    const Wide& value = at<Wide>(row);
    return static_cast<Uint128>(value.high) << 64 | value.low;
  }

  bool is_integer(size_t row) const {
    const Int128 numerator = stored_ == Type::kSmallint  ? at<int16_t>(row)
                             : stored_ == Type::kInteger ? at<int32_t>(row)
                             : stored_ == Type::kBigint  ? at<int64_t>(row)
                                                         : static_cast<Int128>(wide(row));
    Int128 power = 1;
    for (int i = 0; i < scale_; i++) power *= 10;
    return numerator % power == 0;
  }

  Type type_ = Type::kNull;
  Type stored_ = Type::kNull;
  int scale_ = 0;
};

void refuse_boolean(const Numbers& input) {
  if (input.type() == Type::kBoolean) throw Refusal("input must be a number, got BOOLEAN");
}

// Elements of two columns, one beside the other.
struct Pairs {
  const Numbers& input;
  const Numbers& label;
  size_t input_begin;
  size_t label_begin;
  size_t size;

  bool are_valid(size_t i) const {
    return input.is_valid(input_begin + i) && label.is_valid(label_begin + i);
  }
  bool has_nulls() const { return input.validity != nullptr || label.validity != nullptr; }
};

// The options of a call, from its third column on.
class Options {
 public:
  explicit Options(DataChunk chunk)
      : rows_(api.data_chunk_get_size(chunk)), count_(api.data_chunk_get_column_count(chunk) - 2) {
    for (size_t c = 0; c < count_; c++) columns_[c] = Column(api.data_chunk_get_vector(chunk, 2 + c));
  }

  bool has_nulls() const {
    return std::any_of(columns_, columns_ + count_,
                       [](const Column& each) { return each.validity != nullptr; });
  }

  bool are_valid(size_t row) const {
    return std::all_of(columns_, columns_ + count_, [&](const Column& each) { return each.is_valid(row); });
  }

  // Whether they are, by their bytes, the same in all rows; if not, they may still be equal.
  bool are_same() const {
    for (size_t c = 0; c < count_; c++) {
      const size_t bytes = kOptionTypes[c] == Type::kVarchar ? sizeof(Text) : sizeof(double);
      if (std::memcmp(columns_[c].data, columns_[c].data + bytes, (rows_ - 1) * bytes) != 0) return false;
    }
    return true;
  }

  hel::Scoring scoring(size_t row, Type input) const {
    hel::Scoring scoring;
    const double margin = count_ > 0 ? columns_[0].at<double>(row) : scoring.settings.margin;
    const std::string error =
        count_ > 1 ? hel::read_scoring(margin, columns_[1].at<double>(row), columns_[2].at<double>(row),
                                       text_at(columns_[3], row), scoring)
                   : hel::read_scoring(margin, 1, -1, "error", scoring);
    if (!error.empty()) throw Refusal(error);
    if (input == Type::kFloat && !std::isfinite(static_cast<float>(margin))) {
      throw Refusal("margin must be finite in float32, as the input is, got " + hel::number_text(margin));
    }
    return scoring;
  }

 private:
  const size_t rows_, count_;
  Column columns_[std::size(kOptionTypes)];
};

// The columns of a call: input, label and the options there are.
class Arguments {
 public:
  const size_t rows;
  const Numbers input, label;
  const Options options;

  explicit Arguments(DataChunk chunk)
      : rows(api.data_chunk_get_size(chunk)),
        input(api.data_chunk_get_vector(chunk, 0), "input"),
        label(api.data_chunk_get_vector(chunk, 1), "label"),
        options(chunk) {
    refuse_boolean(input);
  }

  Pairs pairs() const { return {input, label, 0, 0, rows}; }
  bool has_nulls() const { return pairs().has_nulls() || options.has_nulls(); }
  bool are_valid(size_t row) const { return pairs().are_valid(row) && options.are_valid(row); }
};

// Rows that are copied at a time. DuckDB's threads may have little stack: 128 KiB under musl.
constexpr size_t kCopiedRows = 512;

// The next rows from `begin` on, without those that are not valid, as the core reads them.
template <class T>
class Batch {
 public:
  const T* input;
  hel::Labels labels;
  size_t size;
  size_t end;  // where the next batch begins

  template <class IsValid>
  Batch(const Pairs& pairs, size_t begin, bool has_nulls, const IsValid& is_valid) : begin_(begin) {
    const bool is_read_directly = pairs.input.type() == kType;
    const LabelType* label_type = label_type_of(pairs.label.type());
    is_whole_ = is_read_directly && label_type != nullptr && !has_nulls;
    end = std::min(pairs.size, begin + (is_whole_ ? hel::kBlock : kCopiedRows));
    size = end - begin;
    label_bytes_ = label_type == nullptr ? sizeof(double) : label_type->bytes;
    const char* own_labels = pairs.label.data + (pairs.label_begin + begin) * label_bytes_;
    labels = {label_type == nullptr ? hel::LabelType::kFloat64 : label_type->type, own_labels, 0};
    if (is_whole_) {
      input = &pairs.input.template at<T>(pairs.input_begin + begin);
      return;
    }
    size_t present = 0;
    for (size_t i = 0; i < size; i++) {
      rows_[present] = static_cast<uint16_t>(i);
      present += is_valid(begin + i);
    }
    size = present;
    for (size_t i = 0; i < size; i++) {
      const size_t row = begin + rows_[i];
      input_copy_[i] = is_read_directly ? pairs.input.template at<T>(pairs.input_begin + row)
                                        : static_cast<T>(pairs.input.number(pairs.input_begin + row));
      if (label_type != nullptr) {
        std::memcpy(label_copy_ + i * label_bytes_, own_labels + rows_[i] * label_bytes_, label_bytes_);
      } else {
        const double label = pairs.label.label(pairs.label_begin + row);
        std::memcpy(label_copy_ + i * sizeof label, &label, sizeof label);
      }
    }
    input = input_copy_;
    labels.data = label_copy_;
  }
  Batch(const Batch&) = delete;

  bool is_whole() const { return is_whole_; }

  // Where among the pairs the element is.
  size_t row(size_t i) const { return begin_ + (is_whole_ ? i : rows_[i]); }

  hel::Labels labels_from(size_t i) const {
    return {labels.type, static_cast<const char*>(labels.data) + i * label_bytes_, 0};
  }

 private:
  static constexpr Type kType = std::is_same_v<T, float> ? Type::kFloat : Type::kDouble;

  const size_t begin_;
  bool is_whole_;
  size_t label_bytes_;
  uint16_t rows_[kCopiedRows];
  T input_copy_[kCopiedRows];
  alignas(8) char label_copy_[kCopiedRows * 8];
};

// Calls score(batch, begin, end, scoring) for all rows without nulls: rows [begin, end) of the batch have
// that scoring.
template <class T, class Score>
void for_each_scoring(const Arguments& arguments, const Score& score) {
  if (arguments.rows == 0) return;
  const bool has_nulls = arguments.has_nulls();
  const auto is_valid = [&](size_t row) { return arguments.are_valid(row); };
  const bool is_one = arguments.options.are_same();
  for (size_t begin = 0; begin < arguments.rows;) {
    const Batch<T> batch(arguments.pairs(), begin, has_nulls, is_valid);
    const size_t step = is_one ? batch.size : 1;
    for (size_t i = 0; i < batch.size; i += step) {
      score(batch, i, i + step, arguments.options.scoring(batch.row(i), arguments.input.type()));
    }
    begin = batch.end;
  }
}

void refuse_others(const hel::OtherLabels& others, const hel::Labels& labels, const hel::Scoring& scoring) {
  if (others.count == 0 || scoring.policy != hel::OtherLabelPolicy::kError) return;
  throw Refusal(hel::other_label_error(scoring.settings, hel::label_at(labels, others.first)));
}

// The state of a group. DuckDB moves it as memory and never destroys it.
struct GroupState {
  bool is_set;        // there were rows
  const char* error;  // of its rows, which finalize raises
  hel::Scoring scoring;
  hel::Totals totals;

  void raise_error() const {
    if (error != nullptr) throw Refusal(error);
  }

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

// Text that lasts, as states do not own any. Never destroyed: DuckDB's threads may outlive static objects.
const char* keep_text(const std::string& text) {
  static auto& mutex = *new std::mutex;
  static auto& texts = *new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return texts.insert(text).first->c_str();
}

// The states that rows are added to.
class States {
 public:
  // `caller` is the return address of the update function.
  States(const State* states, size_t rows, void* caller, FunctionInfo info)
      : States(states, rows, call_sites::states_at(reinterpret_cast<call_sites::Address>(caller), info)) {}

  State operator[](size_t row) const { return states_[is_one_for_all_ ? 0 : row]; }
  const State* from(size_t row) const { return states_ + row; }
  bool is_one_for_all() const { return is_one_for_all_; }

  // Calls add(), whose error the states keep where update must not raise it.
  template <class Add>
  void update(const Add& add) const {
    if (!keeps_errors_) return add();
    try {
      add();
    } catch (const Refusal& error) {
      const char* const text = keep_text(error.what());
      for (size_t row = 0; row < rows_; row++) reinterpret_cast<GroupState*>(states_[row])->error = text;
    }
  }

 private:
  States(const State* states, size_t rows, call_sites::States known)
      : states_(states),
        rows_(rows),
        is_one_for_all_(is_one(rows, known)),
        keeps_errors_(known == call_sites::States::kOnePerRowOfDistinct) {}

  static bool is_one(size_t rows, call_sites::States states) {
    switch (states) {
      case call_sites::States::kOnePerRow:
      case call_sites::States::kOnePerRowOfDistinct:
        return false;
      case call_sites::States::kOneForAll:
        return true;
      case call_sites::States::kFirstRowOnly:
        throw Refusal(
            "DuckDB passes the first row to an extension again and again here: give the window an order, "
            "OVER (ORDER BY …)");
      case call_sites::States::kUnknown:
        if (is_one_state_per_row || rows <= 1) return false;
        throw Refusal(
            "DuckDB does not say here which rows belong to which group (duckdb/duckdb issue 21537): use "
            "GROUP BY and "
            "a join, hinge_embedding_loss_of(list(input) OVER …, list(label) OVER …), or DuckDB 2.0");
    }
    __builtin_unreachable();
  }

  const State* const states_;
  const size_t rows_;
  const bool is_one_for_all_;
  const bool keeps_errors_;
};

GroupState& group(State state) { return *reinterpret_cast<GroupState*>(state); }

// So many rows of one group that are next to each other are cheaper to sum at once than one by one.
constexpr size_t kRunMin = 32;

template <class T>
void add_run(State state, const Batch<T>& batch, size_t begin, size_t end, const hel::Scoring& scoring) {
  if (begin == end) return;
  group(state).expect(scoring);
  const hel::Labels labels = batch.labels_from(begin);
  refuse_others(
      hel::accumulate(group(state).totals, batch.input + begin, labels, end - begin, scoring.settings),
      labels, scoring);
}

template <class T>
void add_each(const State* states, const Batch<T>& batch, size_t begin, size_t end,
              const hel::Scoring& scoring) {
  for (size_t i = begin, length; i < end; i += length) {
    hel::Totals* totals[kCopiedRows];
    length = std::min(end - i, kCopiedRows);
    for (size_t k = 0; k < length; k++) {
      GroupState& state = group(states[i + k]);
      state.expect(scoring);
      totals[k] = &state.totals;
    }
    const hel::Labels labels = batch.labels_from(i);
    refuse_others(hel::accumulate_each(totals, batch.input + i, labels, length, scoring.settings), labels,
                  scoring);
  }
}

// Adds rows [first, last) of the batch to states[first], …, states[last - 1].
template <class T>
void add(const State* states, const Batch<T>& batch, size_t first, size_t last, const hel::Scoring& scoring) {
  size_t mixed = first;  // rows from here on wait to be added one by one
  for (size_t begin = first, end; begin < last; begin = end) {
    end = std::find_if(states + begin, states + last, [&](State each) { return each != states[begin]; }) -
          states;
    if (end - begin < kRunMin) continue;
    add_each(states, batch, mixed, begin, scoring);
    add_run(states[begin], batch, begin, end, scoring);
    mixed = end;
  }
  add_each(states, batch, mixed, last, scoring);
}

template <class T>
void update_groups(const Arguments& arguments, const States& states) {
  for_each_scoring<T>(arguments,
                      [&](const Batch<T>& batch, size_t begin, size_t end, const hel::Scoring& scoring) {
                        if (states.is_one_for_all()) {
                          add_run(states[0], batch, begin, end, scoring);
                        } else if (batch.is_whole()) {
                          add(states.from(batch.row(0)), batch, begin, end, scoring);
                        } else {
                          State own[kCopiedRows];
                          for (size_t i = begin; i < end; i++) own[i] = states[batch.row(i)];
                          add(own, batch, begin, end, scoring);
                        }
                      });
}

template <class T, class Output>
void score_rows(const Arguments& arguments, Vector output) {
  Output* out = static_cast<Output*>(api.vector_get_data(output));
  for_each_scoring<T>(
      arguments, [&](const Batch<T>& batch, size_t first, size_t last, const hel::Scoring& scoring) {
        for (size_t begin = first, end; begin < last; begin = end) {
          T losses[kCopiedRows];
          end = std::min(last, begin + kCopiedRows);
          const hel::Labels labels = batch.labels_from(begin);
          refuse_others(hel::forward(losses, batch.input + begin, labels, end - begin, scoring.settings),
                        labels, scoring);
          for (size_t i = begin; i < end; i++) out[batch.row(i)] = losses[i - begin];
        }
      });
  if (!arguments.has_nulls()) return;
  api.vector_ensure_validity_writable(output);
  uint64_t* validity = api.vector_get_validity(output);
  for (size_t row = 0; row < arguments.rows; row++) {
    if (!arguments.are_valid(row)) api.validity_set_row_invalid(validity, row);
  }
}

// Not inlined: the compiler does not know that the rounding mode matters to its arithmetic.
template <class Body>
[[gnu::noinline]] void call(const Body& body) {
  body();
}

template <class Body>
void guard(void (*set_error)(FunctionInfo, const char*), FunctionInfo info, const Body& body) {
  try {
    const hel::DefaultFloatEnvironment environment;
    call(body);
  } catch (const std::exception& error) {
    set_error(info, error.what());
  }
}

bool is_float(Vector vector) {
  return api.get_type_id(OwnType(api.vector_get_column_type(vector))) == Type::kFloat;
}

void score_each(FunctionInfo info, DataChunk chunk, Vector output) {
  guard(api.scalar_function_set_error, info, [&] {
    const Arguments arguments(chunk);
    if (is_float(output)) {
      score_rows<float, float>(arguments, output);
    } else if (arguments.input.type() == Type::kFloat) {
      score_rows<float, double>(arguments, output);
    } else {
      score_rows<double, double>(arguments, output);
    }
  });
}

Index state_size(FunctionInfo) { return sizeof(GroupState); }

void init_state(FunctionInfo, State state) { new (state) GroupState{}; }

void update(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  guard(api.aggregate_function_set_error, info, [&] {
    const States own(states, api.data_chunk_get_size(chunk), caller, info);
    own.update([&] {
      const Arguments arguments(chunk);
      arguments.input.type() == Type::kFloat ? update_groups<float>(arguments, own)
                                             : update_groups<double>(arguments, own);
    });
  });
}

void update_from_partials(FunctionInfo info, DataChunk chunk, State* states) {
  void* const caller = __builtin_return_address(0);
  guard(api.aggregate_function_set_error, info, [&] {
    const Column partials(api.data_chunk_get_vector(chunk, 0));
    const size_t rows = api.data_chunk_get_size(chunk);
    const States own(states, rows, caller, info);
    own.update([&] {
      for (size_t row = 0; row < rows; row++) {
        if (!partials.is_valid(row)) continue;
        const std::string_view text = text_at(partials, row);
        hel::Partial partial;
        if (!hel::from_json(text, partial)) {
          throw Refusal("partial must be what hinge_embedding_loss_partial gives, got '" +
                        hel::excerpt(text) + "'");
        }
        group(own[row]).merge(partial);
      }
    });
  });
}

void combine(FunctionInfo info, State* sources, State* targets, Index count) {
  guard(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& source = group(sources[i]);
      GroupState& target = group(targets[i]);
      if (source.error != nullptr) target.error = source.error;
      if (!source.is_set || target.error != nullptr) continue;
      try {
        target.merge({source.totals, source.scoring});
      } catch (const Refusal& error) {
        target.error = keep_text(error.what());
      }
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

void store_figures(Vector result, Index row, const GroupState& source) {
  const Vector negatives = api.struct_vector_get_child(result, 4);
  const hel::Figures figures = source.totals.figures(source.scoring.policy);
  store_class(result, row, figures.all);
  store_class(api.struct_vector_get_child(result, 3), row, figures.positives);
  store_class(negatives, row, figures.negatives);
  store(negatives, 3, row, static_cast<int64_t>(figures.active));
  store(result, 5, row, static_cast<int64_t>(figures.others));
}

void finalize_figures(FunctionInfo info, State* sources, Vector result, Index count, Index offset) {
  guard(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      group(sources[i]).raise_error();
      store_figures(result, offset + i, group(sources[i]));
    }
  });
}

void set_null(Vector vector, Index row) {
  api.vector_ensure_validity_writable(vector);
  api.validity_set_row_invalid(api.vector_get_validity(vector), row);
}

// A field of a null of figures is null, too.
void set_figures_null(Vector result, Index row) {
  set_null(result, row);
  for (const Index field : {0, 1, 2, 3, 4, 5}) set_null(api.struct_vector_get_child(result, field), row);
  for (const Index field : {0, 1, 2}) {
    set_null(api.struct_vector_get_child(api.struct_vector_get_child(result, 3), field), row);
  }
  for (const Index field : {0, 1, 2, 3}) {
    set_null(api.struct_vector_get_child(api.struct_vector_get_child(result, 4), field), row);
  }
}

template <class T>
void add_pairs(GroupState& state, const Pairs& pairs, const hel::Scoring& scoring) {
  const auto is_valid = [&](size_t i) { return pairs.are_valid(i); };
  for (size_t begin = 0; begin < pairs.size;) {
    const Batch<T> batch(pairs, begin, pairs.has_nulls(), is_valid);
    add_run(reinterpret_cast<State>(&state), batch, 0, batch.size, scoring);
    begin = batch.end;
  }
}

// A column of lists of numbers.
class Lists {
 public:
  Lists(Vector vector, const char* name) : entries_(vector) {
    const OwnType type(api.vector_get_column_type(vector));
    if (api.get_type_id(type) == Type::kNull) return;
    if (api.get_type_id(type) != Type::kList) {
      throw Refusal(std::string(name) + " must be a list: CAST(… AS DOUBLE[]) makes one of an array");
    }
    elements = Numbers(api.list_vector_get_child(vector), name);
    is_list_ = true;
  }

  Numbers elements;

  bool is_valid(size_t row) const { return is_list_ && entries_.is_valid(row); }
  const ListEntry& operator[](size_t row) const { return entries_.at<ListEntry>(row); }

 private:
  Column entries_;
  bool is_list_ = false;
};

void score_lists(FunctionInfo info, DataChunk chunk, Vector output) {
  guard(api.scalar_function_set_error, info, [&] {
    const Lists inputs(api.data_chunk_get_vector(chunk, 0), "input");
    const Lists labels(api.data_chunk_get_vector(chunk, 1), "label");
    refuse_boolean(inputs.elements);
    const Options options(chunk);
    const size_t rows = api.data_chunk_get_size(chunk);
    for (size_t row = 0; row < rows; row++) {
      if (!inputs.is_valid(row) || !labels.is_valid(row) || !options.are_valid(row)) {
        set_figures_null(output, row);
        continue;
      }
      const auto& [input_begin, size] = inputs[row];
      const auto& [label_begin, label_size] = labels[row];
      if (size != label_size) {
        throw Refusal("the lists of input and label must be of one length, got " + std::to_string(size) +
                      " and " + std::to_string(label_size));
      }
      GroupState state{};
      const Type type = inputs.elements.type();
      const hel::Scoring scoring = options.scoring(row, type);
      const Pairs pairs{inputs.elements, labels.elements, input_begin, label_begin, size};
      state.expect(scoring);
      type == Type::kFloat ? add_pairs<float>(state, pairs, scoring)
                           : add_pairs<double>(state, pairs, scoring);
      store_figures(output, row, state);
    }
  });
}

void finalize_partials(FunctionInfo info, State* sources, Vector result, Index count, Index offset) {
  guard(api.aggregate_function_set_error, info, [&] {
    for (Index i = 0; i < count; i++) {
      const GroupState& source = group(sources[i]);
      source.raise_error();
      if (source.is_set) {
        const std::string text = hel::to_json({source.totals, source.scoring});
        api.vector_assign_string_element_len(result, offset + i, text.data(), text.size());
      } else {
        set_null(result, offset + i);
      }
    }
  });
}

// The parameters of a call with so many options.
template <class Visit>
void for_each_parameter(LogicalType input, LogicalType label, size_t options, const Visit& visit) {
  visit(input);
  visit(label);
  for (size_t i = 0; i < options; i++) visit(OwnType(kOptionTypes[i]));
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
  const OwnType any(Type::kAny);
  for (const size_t options : kOptionCounts) {
    AggregateFunction function = create_aggregate(name, result, update, finalize);
    for_each_parameter(any, any, options,
                       [&](LogicalType type) { api.aggregate_function_add_parameter(function, type); });
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

void add_scalars(ScalarFunctionSet set, const char* name, LogicalType input, LogicalType label,
                 LogicalType result, Call call) {
  for (const size_t options : kOptionCounts) {
    ScalarFunction function = api.create_scalar_function();
    api.scalar_function_set_name(function, name);
    for_each_parameter(input, label, options,
                       [&](LogicalType type) { api.scalar_function_add_parameter(function, type); });
    api.scalar_function_set_return_type(function, result);
    api.scalar_function_set_function(function, call);
    require(api.add_scalar_function_to_set(set, function));
    api.destroy_scalar_function(&function);
  }
}

void register_scalars(Connection connection, const char* name,
                      std::initializer_list<std::pair<LogicalType, LogicalType>> inputs_and_results,
                      LogicalType label, Call call) {
  ScalarFunctionSet set = api.create_scalar_function_set(name);
  for (const auto& [input, result] : inputs_and_results) add_scalars(set, name, input, label, result, call);
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
  const OwnType any(Type::kAny), single(Type::kFloat);
  register_scalars(connection, "hinge_embedding_loss_each", {{single, single}, {any, figure}}, any,
                   score_each);
  // DuckDB 1.2 passes lists whose elements may lie anywhere, and does not say so.
  if (std::string_view(api.library_version()).starts_with("v1.2.")) return;
  register_scalars(connection, "hinge_embedding_loss_of", {{any, figures}}, any, score_lists);
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
  static std::once_flag once;
  std::call_once(once, [&] {
    api = loaded;
    const std::string_view version = api.library_version();  // v2.0.0, before its release v2.0.0-dev1
    is_one_state_per_row = std::atoi(version.data() + 1) >= 2 && version.find('-') == std::string_view::npos;
    calibrate_call_sites(api);
  });
  if (api.connect != loaded.connect) {
    access->set_error(
        info,
        "another DuckDB library in this process has loaded this file of hinge_embedding_loss: load a "
        "copy of the file here");
    return false;
  }
  Connection connection;
  if (api.connect(*access->get_database(info), &connection) != Result::kSuccess) {
    access->set_error(info, "hinge_embedding_loss cannot connect to the database");
    return false;
  }
  bool is_registered = true;
  try {
    register_functions(connection);
  } catch (const std::exception& error) {
    access->set_error(info, error.what());
    is_registered = false;
  }
  api.disconnect(&connection);
  return is_registered;
}
