#include "scalars.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "distances.h"
#include "figures.h"
#include "partial_column.h"
#include "registration.h"

namespace hinge_embedding_loss::duckdb {

namespace {

template <class T, class Output>
void store_losses(const Arguments& arguments, Vector output) {
  Output* out = static_cast<Output*>(api.vector_get_data(output));
  for_each_settings<T>(
      arguments, [&](const Elements<T>& elements, size_t first, size_t last, const Settings& settings) {
        for (size_t begin = first, end; begin < last; begin = end) {
          T losses[kCopiedRows];
          end = std::min(last, begin + kCopiedRows);
          const Labels labels = elements.labels_from(begin);
          check_labels(forward(losses, Input(elements.input + begin), labels, end - begin, settings), labels,
                       settings);
          for (size_t i = begin; i < end; i++) out[elements.row(i)] = losses[i - begin];
        }
      });
  if (!arguments.may_have_nulls()) return;
  for (size_t row = 0; row < arguments.rows; row++) {
    if (!arguments.are_valid(row)) set_null(output, row);
  }
}

void compute_losses(FunctionInfo info, DataChunk chunk, Vector output) {
  run_callback(api.scalar_function_set_error, info, [&] {
    const Arguments arguments(chunk);
    const OwnedType output_type(api.vector_get_column_type(output));
    if (api.get_type_id(output_type) == Type::kFloat) {
      store_losses<float, float>(arguments, output);
    } else if (arguments.input.type() == Type::kFloat) {
      store_losses<float, double>(arguments, output);
    } else {
      store_losses<double, double>(arguments, output);
    }
  });
}

template <class T>
Totals accumulate_pairs(const Pairs& pairs, const Settings& settings) {
  Totals totals;
  const auto is_valid = [&](size_t i) { return pairs.are_valid(i); };
  for (size_t begin = 0; begin < pairs.size;) {
    const Elements<T> elements(pairs, begin, pairs.may_have_nulls(), is_valid);
    check_labels(accumulate(totals, Input(elements.input), elements.labels, elements.size, settings),
                 elements.labels, settings);
    begin = elements.end;
  }
  return totals;
}

void score_lists(FunctionInfo info, DataChunk chunk, Vector output) {
  run_callback(api.scalar_function_set_error, info, [&] {
    const ListColumn inputs(api.data_chunk_get_vector(chunk, 0), "input");
    const ListColumn labels(api.data_chunk_get_vector(chunk, 1), "label");
    check_input(inputs.elements);
    const Options options(chunk);
    const size_t rows = api.data_chunk_get_size(chunk);
    const FigureColumns columns(output, false);
    for (size_t row = 0; row < rows; row++) {
      if (!inputs.is_valid(row) || !labels.is_valid(row) || !options.are_valid(row)) {
        columns.set_null(row);
        continue;
      }
      const auto& [input_begin, size] = inputs[row];
      const auto& [label_begin, label_size] = labels[row];
      if (size != label_size) {
        throw QueryError("the lists of input and label must have the same length, got " +
                         std::to_string(size) + " and " + std::to_string(label_size));
      }
      const Type type = inputs.elements.type();
      const Settings settings = options.settings(row, type);
      const Pairs pairs{inputs.elements, labels.elements, input_begin, label_begin, size};
      const Totals totals = type == Type::kFloat ? accumulate_pairs<float>(pairs, settings)
                                                 : accumulate_pairs<double>(pairs, settings);
      columns.store(row, totals.figures(settings.policy));
    }
  });
}

// Calls store(row, partial) for each row whose first argument and whose last, a partial, are not NULL. The
// result of other rows is NULL.
template <class Store>
void read_partials(FunctionInfo info, DataChunk chunk, Vector output, const Store& store) {
  run_callback(api.scalar_function_set_error, info, [&] {
    const Index columns = api.data_chunk_get_column_count(chunk);
    const Column first(api.data_chunk_get_vector(chunk, 0));
    const PartialColumn partials(api.data_chunk_get_vector(chunk, columns - 1));
    const size_t rows = api.data_chunk_get_size(chunk);
    for (size_t row = 0; row < rows; row++) {
      if (!first.is_valid(row) || !partials.is_valid(row)) {
        set_null(output, row);
        continue;
      }
      Partial partial;
      partials.read(row, partial);
      store(row, partial);
    }
  });
}

void write_partials(FunctionInfo info, DataChunk chunk, Vector output) {
  read_partials(info, chunk, output, [&](size_t row, const Partial& partial) {
    char bytes[kMaxPartialBytes];
    set_text(output, row, {bytes, write_json(bytes, partial)});
  });
}

// Of (partial) or of (key, partial), where the JSON of the key is the first field.
void write_json_figures(FunctionInfo info, DataChunk chunk, Vector output) {
  const bool has_key = api.data_chunk_get_column_count(chunk) > 1;
  const Column keys(api.data_chunk_get_vector(chunk, 0));
  std::string text;
  read_partials(info, chunk, output, [&](size_t row, const Partial& partial) {
    char figures[kMaxPartialBytes];
    const char* const end = write_figures(figures, partial);
    text = "{";
    if (has_key) text.append(R"("by":)").append(keys.text(row)).append(",");
    set_text(output, row, text.append(std::string_view(figures + 1, end)));
  });
}

// A list ends with the element that brings it to this size. Memory of a larger one would be new each time.
constexpr size_t kListBytes = size_t{1} << 16;

// Joins the texts of consecutive rows with commas. The result of the last of these rows is the list, that of
// the others is NULL.
void join_elements(FunctionInfo info, DataChunk chunk, Vector output) {
  run_callback(api.scalar_function_set_error, info, [&] {
    const Column elements(api.data_chunk_get_vector(chunk, 0));
    const size_t rows = api.data_chunk_get_size(chunk);
    std::string list;
    for (size_t row = 0; row < rows; row++) {
      if (elements.is_valid(row)) list.append(list.empty() ? "" : ",").append(elements.text(row));
      if (list.empty() || (list.size() < kListBytes && row + 1 < rows)) {
        set_null(output, row);
      } else {
        set_text(output, row, list);
        list.clear();
      }
    }
  });
}

}  // namespace

bool register_scalars(Connection connection) {
  const OwnedType float_loss(Type::kFloat), double_loss(Type::kDouble), text(Type::kVarchar),
      blob(Type::kBlob);
  const FiguresType figures;
  std::vector<ScalarOverload> each, of;
  for (const Parameters& parameters : overloads_for(Type::kFloat)) each.push_back({parameters, float_loss});
  for (const Parameters& parameters : overloads_for(Type::kAny)) {
    each.push_back({parameters, double_loss});
    of.push_back({parameters, figures});
  }
  const ScalarOverload of_partial[] = {{{Type::kVarchar}, text}, {{Type::kBlob}, text}};
  const ScalarOverload of_key_and_partial[] = {of_partial[0],
                                               of_partial[1],
                                               {{Type::kVarchar, Type::kVarchar}, text},
                                               {{Type::kVarchar, Type::kBlob}, text}};
  const ScalarOverload of_elements[] = {{{Type::kVarchar}, blob}};
  // DuckDB 1.2 passes lists whose elements may lie anywhere, and does not tell where.
  const bool has_lists = !std::string_view(api.library_version()).starts_with("v1.2.");
  return register_scalar(connection, "hinge_embedding_loss_each", each, compute_losses) &&
         register_scalar(connection, "hinge_embedding_loss_as_partial", of_partial, write_partials) &&
         register_scalar(connection, "hinge_embedding_loss_json", of_key_and_partial, write_json_figures) &&
         register_scalar(connection, "hinge_embedding_loss_json_list", of_elements, join_elements,
                         Stability::kVolatile) &&
         (!has_lists || (register_scalar(connection, "hinge_embedding_loss_of", of, score_lists) &&
                         register_distances(connection)));
}

}  // namespace hinge_embedding_loss::duckdb
