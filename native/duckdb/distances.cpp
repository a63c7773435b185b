#include "distances.h"

#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../distance.h"
#include "columns.h"
#include "registration.h"
#include "settings.h"

// hinge_embedding_distance(left, right [, distance [, epsilon]]): the distance of two lists of numbers.
namespace hinge_embedding_loss::duckdb {

namespace {

constexpr Type kOptionTypes[] = {Type::kVarchar, Type::kDouble};

// The first null of elements [begin, begin + size), or nothing. A bit is 0 where an element is null.
std::optional<size_t> find_null(const Column& column, size_t begin, size_t size) {
  for (size_t i = begin; i < begin + size;) {
    const bool is_whole_word = i % 64 == 0 && i + 64 <= begin + size;
    if (is_whole_word && column.validity[i / 64] == ~uint64_t{0}) {
      i += 64;
    } else if (column.is_valid(i)) {
      i++;
    } else {
      return i - begin;
    }
  }
  return std::nullopt;
}

// The lists of one side, as arrays for the core.
template <class T>
class Side {
 public:
  Side(const ListColumn& lists, const char* name)
      : lists_(lists), name_(name), is_readable_(lists.elements.type() == kType) {}

  // Valid until the next call. `entry` is that of a row.
  const T* elements(const ListEntry& entry) {
    if (lists_.elements.validity != nullptr) check_nulls(entry);
    return is_readable_ ? &lists_.elements.template at<T>(entry.offset) : copy(entry);
  }

 private:
  static constexpr Type kType = std::is_same_v<T, float> ? Type::kFloat : Type::kDouble;

  void check_nulls(const ListEntry& entry) const {
    const std::optional<size_t> place = find_null(lists_.elements, entry.offset, entry.length);
    if (!place) return;
    throw QueryError(std::string(name_) + " must have no null, got one as element " +
                     std::to_string(*place + 1) + " of " + std::to_string(entry.length));
  }

  const T* copy(const ListEntry& entry) {
    copy_.resize(entry.length);
    for (size_t i = 0; i < entry.length; i++) {
      copy_[i] = static_cast<T>(lists_.elements.number(entry.offset + i));
    }
    return copy_.data();
  }

  const ListColumn& lists_;
  const char* name_;
  const bool is_readable_;
  std::vector<T> copy_;
};

// The columns from the third one on.
class Options {
 public:
  Options(DataChunk chunk, bool is_float32)
      : count_(api.data_chunk_get_column_count(chunk) - 2), is_float32_(is_float32) {
    for (size_t c = 0; c < count_; c++) columns_[c] = Column(api.data_chunk_get_vector(chunk, 2 + c));
  }

  bool are_valid(size_t row) const {
    for (size_t c = 0; c < count_; c++) {
      if (!columns_[c].is_valid(row)) return false;
    }
    return true;
  }

  // Reads the arguments again only where their bytes differ from those of the row before.
  const Distance& distance(size_t row) {
    if (is_read_ && (row_ == row || have_same_bytes(row_, row))) return distance_;
    const std::string error = read_distance(
        count_ > 0 ? columns_[0].text(row) : "euclidean",
        count_ > 1 ? std::optional(columns_[1].at<double>(row)) : std::nullopt, is_float32_, distance_);
    if (!error.empty()) throw QueryError(error);
    row_ = row;
    is_read_ = true;
    return distance_;
  }

 private:
  bool have_same_bytes(size_t row, size_t other) const {
    constexpr size_t kBytes[] = {sizeof(Text), sizeof(double)};
    for (size_t c = 0; c < count_; c++) {
      const char* data = columns_[c].data;
      if (std::memcmp(data + row * kBytes[c], data + other * kBytes[c], kBytes[c]) != 0) return false;
    }
    return true;
  }

  const size_t count_;
  const bool is_float32_;
  Column columns_[std::size(kOptionTypes)];
  Distance distance_;
  size_t row_ = 0;
  bool is_read_ = false;
};

template <class T, class Output>
void store_distances(const ListColumn& left, const ListColumn& right, DataChunk chunk, Vector output) {
  Side<T> left_side(left, "left"), right_side(right, "right");
  Options options(chunk, std::is_same_v<T, float>);
  Output* out = static_cast<Output*>(api.vector_get_data(output));
  const size_t rows = api.data_chunk_get_size(chunk);
  for (size_t row = 0; row < rows; row++) {
    if (!left.is_valid(row) || !right.is_valid(row) || !options.are_valid(row)) {
      set_null(output, row);
      continue;
    }
    const ListEntry &left_entry = left[row], &right_entry = right[row];
    const size_t size = left_entry.length;
    if (size != right_entry.length) {
      throw QueryError("left and right must have the same length, got " + std::to_string(size) + " and " +
                       std::to_string(right_entry.length));
    }
    const T* const l = left_side.elements(left_entry);
    const T* const r = right_side.elements(right_entry);
    out[row] = distance(options.distance(row), l, r, size);
  }
}

void check_numbers(const ListColumn& lists, const char* name) {
  if (lists.elements.type() == Type::kBoolean)
    throw QueryError(std::string(name) + " must have numbers, got BOOLEAN");
}

void compute_distances(FunctionInfo info, DataChunk chunk, Vector output) {
  run_callback(api.scalar_function_set_error, info, [&] {
    const ListColumn left(api.data_chunk_get_vector(chunk, 0), "left");
    const ListColumn right(api.data_chunk_get_vector(chunk, 1), "right");
    check_numbers(left, "left");
    check_numbers(right, "right");
    const Type one = left.elements.type(), other = right.elements.type();
    const bool is_known = one != Type::kNull && other != Type::kNull;
    if (is_known && (one == Type::kFloat) != (other == Type::kFloat)) {
      throw QueryError(
          "left and right must both be lists of FLOAT, or neither: CAST(… AS DOUBLE[]) makes both DOUBLE");
    }
    const OwnedType output_type(api.vector_get_column_type(output));
    if (api.get_type_id(output_type) == Type::kFloat) {
      store_distances<float, float>(left, right, chunk, output);
    } else {
      store_distances<double, double>(left, right, chunk, output);
    }
  });
}

}  // namespace

bool register_distances(Connection connection) {
  const OwnedType float_distance(Type::kFloat), double_distance(Type::kDouble);
  std::vector<ScalarOverload> overloads;
  for (size_t options = 0; options <= std::size(kOptionTypes); options++) {
    // DuckDB makes lists of arrays without a copy, so that lists of numbers are all that the callback reads.
    for (const auto& [side, result] :
         {std::pair<Parameter, LogicalType>{{Type::kFloat, true}, float_distance},
          {{Type::kDouble, true}, double_distance},
          {Type::kAny, double_distance}}) {
      Parameters parameters = {side, side};
      parameters.insert(parameters.end(), kOptionTypes, kOptionTypes + options);
      overloads.push_back({parameters, result});
    }
  }
  return register_scalar(connection, "hinge_embedding_distance", overloads, compute_distances);
}

}  // namespace hinge_embedding_loss::duckdb
