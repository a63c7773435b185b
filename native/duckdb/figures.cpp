#include "figures.h"

#include <cmath>

#include "columns.h"
#include "text.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// Indices of fields, after count, sum and mean.
constexpr Index kPositives = 3, kNegatives = 4, kOthers = 5;
constexpr Index kActive = 3;  // in the negatives

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
char* write_class(char* at, const ClassFigures& figures) {
  at = write_integer(write_text(at, R"({"count":)"), figures.count);
  at = write_json_number(write_text(at, R"(,"sum":)"), figures.sum);
  return write_json_number(write_text(at, R"(,"mean":)"), figures.mean);
}

}  // namespace

char* write_figures(char* at, const Partial& partial) {
  const Figures figures = partial.totals.figures(partial.settings.policy);
  at = write_class(at, figures.all);
  at = write_json_number(write_text(at, R"(,"margin":)"), partial.settings.margin);
  at = write_class(write_text(at, R"(,"positives":)"), figures.positives);
  at = write_class(write_text(at, R"(},"negatives":)"), figures.negatives);
  at = write_integer(write_text(at, R"(,"active":)"), figures.active);
  at = write_integer(write_text(at, R"(},"others":)"), figures.others);
  return write_text(at, "}");
}

FigureColumns::ClassColumns::ClassColumns(Vector parent)
    : count(data_of<int64_t>(parent, 0)), sum(data_of<double>(parent, 1)), mean(data_of<double>(parent, 2)) {}

void FigureColumns::ClassColumns::store(Index row, const ClassFigures& figures) const {
  count[row] = static_cast<int64_t>(figures.count);
  sum[row] = figures.sum;
  mean[row] = figures.mean;
}

FigureColumns::FigureColumns(Vector result)
    : all_(result),
      positives_(api.struct_vector_get_child(result, kPositives)),
      negatives_(api.struct_vector_get_child(result, kNegatives)),
      active_(data_of<int64_t>(api.struct_vector_get_child(result, kNegatives), kActive)),
      others_(data_of<int64_t>(result, kOthers)) {}

void FigureColumns::store(Index row, const Totals& totals, OtherLabelPolicy policy) const {
  const Figures figures = totals.figures(policy);
  all_.store(row, figures.all);
  positives_.store(row, figures.positives);
  negatives_.store(row, figures.negatives);
  active_[row] = static_cast<int64_t>(figures.active);
  others_[row] = static_cast<int64_t>(figures.others);
}

void set_figures_null(Vector result, Index row) {
  set_null(result, row);
  set_fields_null(result, kOthers + 1, row);
  set_fields_null(api.struct_vector_get_child(result, kPositives), 3, row);
  set_fields_null(api.struct_vector_get_child(result, kNegatives), kActive + 1, row);
}

}  // namespace hinge_embedding_loss::duckdb
