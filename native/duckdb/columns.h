#pragma once

#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "../dtypes.h"
#include "api.h"
#include "errors.h"
#include "registration.h"
#include "text.h"

// The columns of a DataChunk: their validity, and the numbers, lists and texts in them.
namespace hinge_embedding_loss::duckdb {

struct Column {
  const char* data = nullptr;
  const uint64_t* validity = nullptr;  // one bit per row; null if all rows are valid

  Column() = default;
  explicit Column(Vector vector)
      : data(static_cast<const char*>(api.vector_get_data(vector))),
        validity(api.vector_get_validity(vector)) {}

  bool is_valid(size_t row) const { return validity == nullptr || (validity[row / 64] >> row % 64 & 1); }

  template <class T>
  const T& at(size_t row) const {
    return reinterpret_cast<const T*>(data)[row];
  }

  // Short text lies in the element itself, so it lives as long as the column.
  std::string_view text(size_t row) const {
    Text& element = const_cast<Text&>(at<Text>(row));
    return {api.string_t_data(&element), api.string_t_length(element)};
  }
};

// VARCHAR or BLOB.
inline void set_text(Vector vector, Index row, std::string_view text) {
  api.vector_assign_string_element_len(vector, row, text.data(), text.size());
}

inline void set_null(Vector vector, Index row) {
  api.vector_ensure_validity_writable(vector);
  api.validity_set_row_invalid(api.vector_get_validity(vector), row);
}

// The dtype in which the core reads elements of the type, or nothing.
inline std::optional<DType> dtype_of(Type type) {
  static constexpr DType kDTypes[] = {DType::kUint8,  DType::kInt8,    DType::kInt16,  DType::kInt32,
                                      DType::kInt64,  DType::kUint8,   DType::kUint16, DType::kUint32,
                                      DType::kUint64, DType::kFloat32, DType::kFloat64};
  if (type < Type::kBoolean || type > Type::kDouble) return std::nullopt;
  return kDTypes[static_cast<size_t>(type) - static_cast<size_t>(Type::kBoolean)];
}

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

// numerator / 10^scale, rounded once.
inline double divide_by_power_of_ten(Int128 numerator, int scale) {
  // Both operands are exact doubles up to these limits, so that one division rounds once.
  constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  constexpr Int128 kMaxExact = Int128{1} << 53;
  if (scale == 0) return static_cast<double>(numerator);
  if (-kMaxExact <= numerator && numerator <= kMaxExact && scale < static_cast<int>(std::size(kPowers))) {
    return static_cast<double>(numerator) / kPowers[scale];
  }
  std::string text;
  for (Uint128 rest = numerator < 0 ? -static_cast<Uint128>(numerator) : numerator; rest > 0; rest /= 10) {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  const double value = parse_number(text + "e-" + std::to_string(scale));
  return numerator < 0 ? -value : value;
}

// A column of numbers of any type.
class NumberColumn : public Column {
 public:
  NumberColumn() = default;
  NumberColumn(Vector vector, const char* name) : Column(vector) {
    const OwnedType type(api.vector_get_column_type(vector));
    type_ = api.get_type_id(type);
    if (type_ == Type::kDecimal) {
      scale_ = api.decimal_scale(type);
      storage_ = api.decimal_internal_type(type);
    } else {
      storage_ = type_;
    }
    const bool is_number = dtype_of(storage_) || storage_ == Type::kHugeint || storage_ == Type::kUhugeint ||
                           storage_ == Type::kNull;
    if (is_number) return;
    throw QueryError(std::string(name) + " must be a number" +
                     (type_ == Type::kVarchar ? ", got VARCHAR: CAST(… AS DOUBLE) reads numbers in text"
                                              : ": CAST(CAST(… AS VARCHAR) AS DOUBLE) reads other types"));
  }

  Type type() const { return type_; }

  // The nearest double.
  double number(size_t row) const {
    switch (storage_) {
      case Type::kBoolean:
      case Type::kUtinyint:
        return at<uint8_t>(row);
      case Type::kTinyint:
        return at<int8_t>(row);
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
        return divide_by_power_of_ten(numerator(row), scale_);
    }
  }

  // A label of a type that the core cannot read: the nearest double, except that a DECIMAL that is no integer
  // does not become one.
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

  // Of a DECIMAL or a signed integer; its denominator is 10^scale.
  Int128 numerator(size_t row) const {
    switch (storage_) {
      case Type::kSmallint:
        return at<int16_t>(row);
      case Type::kInteger:
        return at<int32_t>(row);
      case Type::kBigint:
        return at<int64_t>(row);
      default:
        return static_cast<Int128>(wide(row));
    }
  }

  bool is_integer(size_t row) const {
    Int128 denominator = 1;
    for (int i = 0; i < scale_; i++) denominator *= 10;
    return numerator(row) % denominator == 0;
  }

  Type type_ = Type::kNull;
  Type storage_ = Type::kNull;
  int scale_ = 0;
};

// A column of lists of numbers.
class ListColumn {
 public:
  ListColumn(Vector vector, const char* name) : entries_(vector) {
    const OwnedType type(api.vector_get_column_type(vector));
    if (api.get_type_id(type) == Type::kNull) return;
    if (api.get_type_id(type) != Type::kList) {
      throw QueryError(std::string(name) + " must be a list: CAST(… AS DOUBLE[]) turns an array into one");
    }
    elements = NumberColumn(api.list_vector_get_child(vector), name);
    is_list_ = true;
  }

  NumberColumn elements;

  bool is_valid(size_t row) const { return is_list_ && entries_.is_valid(row); }
  const ListEntry& operator[](size_t row) const { return entries_.at<ListEntry>(row); }

 private:
  Column entries_;
  bool is_list_ = false;
};

}  // namespace hinge_embedding_loss::duckdb
