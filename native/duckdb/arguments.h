#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "../hinge_embedding_loss.h"
#include "../kernels/kernels.h"
#include "columns.h"
#include "registration.h"
#include "settings.h"
#include "text.h"

// The arguments of a call from SQL: (input, label [, weight] [, margin [, positive_label, negative_label,
// other_labels]]). The name of the function says whether there is a weight.
namespace hinge_embedding_loss::duckdb {

inline constexpr Type kOptionTypes[] = {Type::kDouble, Type::kDouble, Type::kDouble, Type::kVarchar};

// The overloads of a function: without options, with the margin, with all options.
inline std::vector<Parameters> overloads_for(Type input, bool is_weighted = false) {
  std::vector<Parameters> overloads;
  for (const size_t options : {size_t{0}, size_t{1}, std::size(kOptionTypes)}) {
    overloads.push_back({input, Type::kAny});
    if (is_weighted) overloads.back().push_back(Type::kAny);
    overloads.back().insert(overloads.back().end(), kOptionTypes, kOptionTypes + options);
  }
  return overloads;
}

inline void check_input(const NumberColumn& input) {
  if (input.type() == Type::kBoolean) throw QueryError("input must be a number, got BOOLEAN");
}

inline void check_labels(const OtherLabels& others, const Labels& labels, const Settings& settings) {
  if (others.are_errors(settings))
    throw QueryError(other_label_error(settings, label_at(labels, others.first)));
}

// Rows of an input column and of a label column, side by side.
struct Pairs {
  const NumberColumn& input;
  const NumberColumn& label;
  size_t input_begin;
  size_t label_begin;
  size_t size;
  const NumberColumn* weight = nullptr;  // if there are weights, of the same rows as the input

  bool are_valid(size_t i) const {
    return input.is_valid(input_begin + i) && label.is_valid(label_begin + i) &&
           (weight == nullptr || weight->is_valid(input_begin + i));
  }
  bool may_have_nulls() const {
    return input.validity != nullptr || label.validity != nullptr ||
           (weight != nullptr && weight->validity != nullptr);
  }
};

// The columns from `first` on.
class Options {
 public:
  explicit Options(DataChunk chunk, size_t first = 2)
      : rows_(api.data_chunk_get_size(chunk)), count_(api.data_chunk_get_column_count(chunk) - first) {
    for (size_t c = 0; c < count_; c++) columns_[c] = Column(api.data_chunk_get_vector(chunk, first + c));
  }

  bool may_have_nulls() const {
    return std::any_of(columns_, columns_ + count_,
                       [](const Column& each) { return each.validity != nullptr; });
  }

  bool are_valid(size_t row) const {
    return std::all_of(columns_, columns_ + count_, [&](const Column& each) { return each.is_valid(row); });
  }

  // True if all rows have the same bytes. Rows with equal options may differ in their bytes.
  bool have_same_bytes() const {
    for (size_t c = 0; c < count_; c++) {
      const size_t bytes = kOptionTypes[c] == Type::kVarchar ? sizeof(Text) : sizeof(double);
      if (std::memcmp(columns_[c].data, columns_[c].data + bytes, (rows_ - 1) * bytes) != 0) return false;
    }
    return true;
  }

  Settings settings(size_t row, Type input) const {
    Settings settings;
    const double margin = count_ > 0 ? columns_[0].at<double>(row) : settings.margin;
    const std::string error =
        count_ > 1 ? read_settings(margin, columns_[1].at<double>(row), columns_[2].at<double>(row),
                                   columns_[3].text(row), settings)
                   : read_settings(margin, settings.positive_label, settings.negative_label,
                                   name_of(settings.policy), settings);
    if (!error.empty()) throw QueryError(error);
    const std::string margin_error = input == Type::kFloat ? check_float32_margin(margin) : "";
    if (!margin_error.empty()) throw QueryError(margin_error);
    return settings;
  }

 private:
  const size_t rows_, count_;
  Column columns_[std::size(kOptionTypes)];
};

class Arguments {
 public:
  const size_t rows;
  const NumberColumn input, label;
  const std::optional<NumberColumn> weight;
  const Options options;

  explicit Arguments(DataChunk chunk, bool is_weighted = false)
      : rows(api.data_chunk_get_size(chunk)),
        input(api.data_chunk_get_vector(chunk, 0), "input"),
        label(api.data_chunk_get_vector(chunk, 1), "label"),
        weight(is_weighted ? std::optional(NumberColumn(api.data_chunk_get_vector(chunk, 2), "weight"))
                           : std::nullopt),
        options(chunk, is_weighted ? 3 : 2) {
    check_input(input);
  }

  Pairs pairs() const { return {input, label, 0, 0, rows, weight ? &*weight : nullptr}; }
  bool may_have_nulls() const { return pairs().may_have_nulls() || options.may_have_nulls(); }
  bool are_valid(size_t row) const { return pairs().are_valid(row) && options.are_valid(row); }
};

// Rows that are copied at a time. DuckDB's threads may have a small stack: 128 KiB under musl.
constexpr size_t kCopiedRows = 512;

// The valid rows of the pairs from `begin` on, as arrays for the core: a view of the columns where the core
// can read them and no row is null, or else a copy.
template <class T>
class Elements {
 public:
  const T* input;
  Labels labels;
  const double* weights = nullptr;  // the nearest doubles
  size_t size;
  size_t end;  // the row after the last one, where the next Elements begin

  template <class IsValid>
  Elements(const Pairs& pairs, size_t begin, bool may_have_nulls, const IsValid& is_valid) : begin_(begin) {
    const bool is_input_readable = pairs.input.type() == kType;
    const std::optional<DType> label_dtype = dtype_of(pairs.label.type());
    const bool are_weights_readable = pairs.weight == nullptr || pairs.weight->type() == Type::kDouble;
    is_view_ = is_input_readable && label_dtype && are_weights_readable && !may_have_nulls;
    end = std::min(pairs.size, begin + (is_view_ ? kBlock : kCopiedRows));
    size = end - begin;
    const DType dtype = label_dtype.value_or(DType::kFloat64);
    label_bytes_ = bytes_of(dtype);
    const char* column_labels = pairs.label.data + (pairs.label_begin + begin) * label_bytes_;
    labels = {dtype, column_labels, 0};
    if (is_view_) {
      input = &pairs.input.template at<T>(pairs.input_begin + begin);
      if (pairs.weight != nullptr) weights = &pairs.weight->template at<double>(pairs.input_begin + begin);
      return;
    }
    size_t valid = 0;
    for (size_t i = 0; i < size; i++) {
      rows_[valid] = static_cast<uint16_t>(i);
      valid += is_valid(begin + i);
    }
    size = valid;
    for (size_t i = 0; i < size; i++) {
      const size_t row = begin + rows_[i];
      input_copy_[i] = is_input_readable ? pairs.input.template at<T>(pairs.input_begin + row)
                                         : static_cast<T>(pairs.input.number(pairs.input_begin + row));
      if (label_dtype) {
        std::memcpy(label_copy_ + i * label_bytes_, column_labels + rows_[i] * label_bytes_, label_bytes_);
      } else {
        const double label = pairs.label.label(pairs.label_begin + row);
        std::memcpy(label_copy_ + i * sizeof label, &label, sizeof label);
      }
    }
    input = input_copy_;
    labels.data = label_copy_;
    if (pairs.weight == nullptr) return;
    for (size_t i = 0; i < size; i++) {
      weight_copy_[i] = pairs.weight->number(pairs.input_begin + begin + rows_[i]);
    }
    weights = weight_copy_;
  }
  Elements(const Elements&) = delete;

  bool is_view() const { return is_view_; }

  // The index of an element's row in the pairs.
  size_t row(size_t i) const { return begin_ + (is_view_ ? i : rows_[i]); }

  Labels labels_from(size_t i) const { return labels.from(i); }
  Weights weights_from(size_t i) const { return {DType::kFloat64, weights + i, 0}; }

 private:
  static constexpr Type kType = std::is_same_v<T, float> ? Type::kFloat : Type::kDouble;

  const size_t begin_;
  bool is_view_;
  size_t label_bytes_;
  uint16_t rows_[kCopiedRows];
  T input_copy_[kCopiedRows];
  alignas(8) char label_copy_[kCopiedRows * 8];
  double weight_copy_[kCopiedRows];
};

template <class T>
void check_weights(const Elements<T>& elements) {
  if (elements.weights == nullptr) return;
  const InvalidWeights invalid = find_invalid(elements.weights_from(0), elements.size);
  if (invalid.count == 0) return;
  throw QueryError("weight must be 0 or more, and finite, got " +
                   format_number(elements.weights[invalid.first]));
}

// Calls visit(elements, begin, end, settings) for all rows without nulls: elements [begin, end) have these
// settings.
template <class T, class Visit>
void for_each_settings(const Arguments& arguments, const Visit& visit) {
  if (arguments.rows == 0) return;
  const bool may_have_nulls = arguments.may_have_nulls();
  const auto is_valid = [&](size_t row) { return arguments.are_valid(row); };
  const bool have_same_settings = arguments.options.have_same_bytes();
  for (size_t begin = 0; begin < arguments.rows;) {
    const Elements<T> elements(arguments.pairs(), begin, may_have_nulls, is_valid);
    check_weights(elements);
    const size_t step = have_same_settings ? elements.size : 1;
    for (size_t i = 0; i < elements.size; i += step) {
      visit(elements, i, i + step, arguments.options.settings(elements.row(i), arguments.input.type()));
    }
    begin = elements.end;
  }
}

}  // namespace hinge_embedding_loss::duckdb
