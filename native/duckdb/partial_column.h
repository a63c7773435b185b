#pragma once

#include <string>

#include "columns.h"
#include "errors.h"
#include "packed_partial.h"
#include "partial.h"
#include "registration.h"

namespace hinge_embedding_loss::duckdb {

// A column of partials, as texts or as BLOBs.
class PartialColumn : public Column {
 public:
  explicit PartialColumn(Vector vector)
      : Column(vector),
        is_packed_(api.get_type_id(OwnedType(api.vector_get_column_type(vector))) == Type::kBlob) {}

  void read(size_t row, Partial& partial) const {
    const std::string_view bytes = text(row);
    if (is_packed_ ? unpack(bytes, partial) : from_json(bytes, partial)) return;
    throw QueryError(is_packed_ ? "partial must be a BLOB that hinge_embedding_loss_state returns, got " +
                                      std::to_string(bytes.size()) + " other bytes"
                                : "partial must be a text that hinge_embedding_loss_partial returns, got '" +
                                      excerpt(bytes) + "'");
  }

 private:
  const bool is_packed_;
};

}  // namespace hinge_embedding_loss::duckdb
