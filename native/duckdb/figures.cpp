#include "figures.h"

#include <cmath>

#include "columns.h"
#include "text.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// The fields count, sum, mean and with weights weight, which come first.
Index own_fields(bool is_weighted) { return is_weighted ? 4 : 3; }

// Indices of further fields, after these.
constexpr Index kPositives = 0, kNegatives = 1, kOthers = 2;
constexpr Index kActive = 0;  // in the negatives

template <class T>
T* data_of(Vector parent, Index field) {
  return static_cast<T*>(api.vector_get_data(api.struct_vector_get_child(parent, field)));
}

void set_fields_null(Vector parent, Index fields, Index row) {
  for (Index field = 0; field < fields; field++) set_null(api.struct_vector_get_child(parent, field), row);
}

// Non-finite numbers are strings.
char* write_json_number(char* at, double value) {
  const std::string_view quote = std::isfinite(value) ? "" : "\"";
  return write_text(write_number(write_text(at, quote), value), quote);
}

// Without the closing brace.
char* write_class(char* at, const ClassFigures& figures, bool is_weighted) {
  at = write_integer(write_text(at, R"({"count":)"), figures.count);
  at = write_json_number(write_text(at, R"(,"sum":)"), figures.sum);
  at = write_json_number(write_text(at, R"(,"mean":)"), figures.mean);
  return is_weighted ? write_json_number(write_text(at, R"(,"weight":)"), figures.weight) : at;
}

}  // namespace

char* write_figures(char* at, const Partial& partial) {
  const Figures figures = partial.figures();
  const bool is_weighted = partial.weighted.has_value();
  at = write_class(at, figures.all, is_weighted);
  at = write_json_number(write_text(at, R"(,"margin":)"), partial.settings.margin);
  at = write_class(write_text(at, R"(,"positives":)"), figures.positives, is_weighted);
  at = write_class(write_text(at, R"(},"negatives":)"), figures.negatives, is_weighted);
  at = write_integer(write_text(at, R"(,"active":)"), figures.active);
  at = write_integer(write_text(at, R"(},"others":)"), figures.others);
  return write_text(at, "}");
}

FigureColumns::ClassColumns::ClassColumns(Vector parent, bool is_weighted)
    : count(data_of<int64_t>(parent, 0)),
      sum(data_of<double>(parent, 1)),
      mean(data_of<double>(parent, 2)),
      weight(is_weighted ? data_of<double>(parent, 3) : nullptr) {}

void FigureColumns::ClassColumns::store(Index row, const ClassFigures& figures) const {
  count[row] = static_cast<int64_t>(figures.count);
  sum[row] = figures.sum;
  mean[row] = figures.mean;
  if (weight != nullptr) weight[row] = figures.weight;
}

FigureColumns::FigureColumns(Vector result, bool is_weighted)
    : result_(result),
      own_fields_(own_fields(is_weighted)),
      all_(result, is_weighted),
      positives_(api.struct_vector_get_child(result, own_fields_ + kPositives), is_weighted),
      negatives_(api.struct_vector_get_child(result, own_fields_ + kNegatives), is_weighted),
      active_(data_of<int64_t>(api.struct_vector_get_child(result, own_fields_ + kNegatives),
                               own_fields_ + kActive)),
      others_(data_of<int64_t>(result, own_fields_ + kOthers)) {}

void FigureColumns::store(Index row, const Figures& figures) const {
  all_.store(row, figures.all);
  positives_.store(row, figures.positives);
  negatives_.store(row, figures.negatives);
  active_[row] = static_cast<int64_t>(figures.active);
  others_[row] = static_cast<int64_t>(figures.others);
}

void FigureColumns::set_null(Index row) const {
  duckdb::set_null(result_, row);
  set_fields_null(result_, own_fields_ + kOthers + 1, row);
  set_fields_null(api.struct_vector_get_child(result_, own_fields_ + kPositives), own_fields_, row);
  set_fields_null(api.struct_vector_get_child(result_, own_fields_ + kNegatives), own_fields_ + kActive + 1,
                  row);
}

}  // namespace hinge_embedding_loss::duckdb
