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

// The same with weights.
class WeightedFiguresType {
 public:
  operator LogicalType() const { return figures_; }

 private:
  const OwnedType count_{Type::kBigint}, figure_{Type::kDouble};
  const OwnedType positives_{{"count", "sum", "mean", "weight"}, {count_, figure_, figure_, figure_}};
  const OwnedType negatives_{{"count", "sum", "mean", "weight", "active"},
                             {count_, figure_, figure_, figure_, count_}};
  const OwnedType figures_{{"count", "sum", "mean", "weight", "positives", "negatives", "others"},
                           {count_, figure_, figure_, figure_, positives_, negatives_, count_}};
};

// The JSON of figures and margin that the command line prints.
char *write_figures(char *at, const Partial &partial);

// The columns of a vector of these STRUCTs.
class FigureColumns {
 public:
  FigureColumns(Vector result, bool is_weighted);

  void store(Index row, const Figures &figures) const;
  // Sets the STRUCT and all of its fields to NULL.
  void set_null(Index row) const;

 private:
  struct ClassColumns {
    ClassColumns(Vector parent, bool is_weighted);
    void store(Index row, const ClassFigures &figures) const;

    int64_t *const count;
    double *const sum, *const mean, *const weight;  // null without weights
  };

  const Vector result_;
  const Index own_fields_;  // of each class, before other fields

  const ClassColumns all_, positives_, negatives_;
  int64_t *const active_, *const others_;
};

}  // namespace hinge_embedding_loss::duckdb
