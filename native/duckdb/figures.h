#pragma once

#include "../hinge_embedding_loss.h"
#include "api.h"
#include "partial.h"
#include "registration.h"

// The figures of totals: count, sum, mean, positives, negatives and others.
namespace hinge_embedding_loss::duckdb {

// The figures as a STRUCT.
class FiguresType {
 public:
  operator LogicalType() const { return figures_; }

 private:
  const OwnedType count_{Type::kBigint}, figure_{Type::kDouble};
  const OwnedType positives_{{"count", "sum", "mean"}, {count_, figure_, figure_}};
  const OwnedType negatives_{{"count", "sum", "mean", "active"}, {count_, figure_, figure_, count_}};
  const OwnedType figures_{{"count", "sum", "mean", "positives", "negatives", "others"},
                           {count_, figure_, figure_, positives_, negatives_, count_}};
};

// The JSON of figures and margin that the command line prints.
char *write_figures(char *at, const Partial &partial);

// The columns of a vector of these STRUCTs.
class FigureColumns {
 public:
  explicit FigureColumns(Vector result);

  void store(Index row, const Totals &totals, OtherLabelPolicy policy) const;

 private:
  struct ClassColumns {
    explicit ClassColumns(Vector parent);
    void store(Index row, const ClassFigures &figures) const;

    int64_t *const count;
    double *const sum, *const mean;
  };

  const ClassColumns all_, positives_, negatives_;
  int64_t *const active_, *const others_;
};

// Sets the STRUCT and all of its fields to NULL.
void set_figures_null(Vector result, Index row);

}  // namespace hinge_embedding_loss::duckdb
