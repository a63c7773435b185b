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
void store(Vector parent, Index field, Index row, T value) {
  static_cast<T*>(api.vector_get_data(api.struct_vector_get_child(parent, field)))[row] = value;
}

void store_class(Vector parent, Index row, const ClassFigures& figures) {
  store(parent, 0, row, static_cast<int64_t>(figures.count));
  store(parent, 1, row, figures.sum);
  store(parent, 2, row, figures.mean);
}

void set_fields_null(Vector parent, Index fields, Index row) {
  for (Index field = 0; field < fields; field++) set_null(api.struct_vector_get_child(parent, field), row);
}

// Non-finite numbers are strings.
void append_number(std::string& json, double value) {
  const char* const quote = std::isfinite(value) ? "" : "\"";
  json += quote;
  json += format_number(value);
  json += quote;
}

// Without the closing brace.
void append_class(std::string& json, const ClassFigures& figures) {
  json += "{\"count\":";
  json += std::to_string(figures.count);
  json += ",\"sum\":";
  append_number(json, figures.sum);
  json += ",\"mean\":";
  append_number(json, figures.mean);
}

}  // namespace

std::string format_figures(const Partial& partial) {
  const Figures figures = partial.totals.figures(partial.settings.policy);
  std::string json;
  append_class(json, figures.all);
  json += ",\"margin\":";
  append_number(json, partial.settings.margin);
  json += ",\"positives\":";
  append_class(json, figures.positives);
  json += "},\"negatives\":";
  append_class(json, figures.negatives);
  json += ",\"active\":";
  json += std::to_string(figures.active);
  json += "},\"others\":";
  json += std::to_string(figures.others);
  json += '}';
  return json;
}

void store_figures(Vector result, Index row, const Totals& totals, OtherLabelPolicy policy) {
  const Vector negatives = api.struct_vector_get_child(result, kNegatives);
  const Figures figures = totals.figures(policy);
  store_class(result, row, figures.all);
  store_class(api.struct_vector_get_child(result, kPositives), row, figures.positives);
  store_class(negatives, row, figures.negatives);
  store(negatives, kActive, row, static_cast<int64_t>(figures.active));
  store(result, kOthers, row, static_cast<int64_t>(figures.others));
}

void set_figures_null(Vector result, Index row) {
  set_null(result, row);
  set_fields_null(result, kOthers + 1, row);
  set_fields_null(api.struct_vector_get_child(result, kPositives), 3, row);
  set_fields_null(api.struct_vector_get_child(result, kNegatives), kActive + 1, row);
}

}  // namespace hinge_embedding_loss::duckdb
