#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "exact_sum.h"

// The hinge embedding loss of input x and label y, elementwise, for a margin Δ:
//
//     x               where y is the positive label
//     max(0, Δ − x)   where y is the negative label
//
// as in paddle.nn.functional.hinge_embedding_loss. Arithmetic is in the input's type. A NaN stays NaN.
namespace hinge_embedding_loss {

enum class LabelType {
  kFloat32,
  kFloat64,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kConstant
};

// One label an element; or, for kConstant, one for all of them.
struct Labels {
  LabelType type;
  const void* data;
  double constant;
};

struct Settings {
  double margin;
  int32_t positive_label;
  int32_t negative_label;
};

// Labels that are neither the positive nor the negative one. Their loss is 0.
struct OtherLabels {
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;  // flat index
};

// Totals over any number of calls, as one plain block of memory; all zeros is the empty one.
struct Totals {
  ExactSum sums[2];  // losses of the positives, of the negatives
  uint64_t positives = 0;
  uint64_t negatives = 0;
  uint64_t active = 0;  // negatives with x < Δ: those whose loss and gradient are not zero
  uint64_t others = 0;

  void merge(const Totals& other);
};

// out[n] from input[n]. `out` may be `input`.
template <class T>
OtherLabels forward(T* out, const T* input, const Labels& labels, size_t n, const Settings& settings);

// Adds the losses of input[n] to `sum`.
template <class T>
OtherLabels reduce(ExactSum& sum, const T* input, const Labels& labels, size_t n, const Settings& settings);

// Adds counts and losses of input[n] to `totals`.
template <class T>
OtherLabels accumulate(Totals& totals, const T* input, const Labels& labels, size_t n,
                       const Settings& settings);

}  // namespace hinge_embedding_loss
