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
// as in paddle.nn.functional.hinge_embedding_loss, and its gradient, the derivative by x times what comes in:
//
//     g               where y is the positive label
//     −g              where y is the negative label and x < Δ
//     0               where y is the negative label and x ≥ Δ
//
// Arithmetic is in the input's type. A NaN stays NaN: x = NaN has a gradient of NaN for the negative label.
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

// The label at a flat index, as the nearest double.
double label_at(const Labels& labels, size_t index);

struct Settings {
  double margin;
  int32_t positive_label;
  int32_t negative_label;

  bool operator==(const Settings&) const = default;
};

// Labels that are neither the positive nor the negative one. Their loss and their gradient are 0.
struct OtherLabels {
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;  // flat index
};

// What other labels are: an error, elements that count with their loss of 0, or none.
enum class OtherLabelPolicy { kError, kZero, kIgnore };

// The sum and the mean are rounded once; the mean of none is NaN.
struct ClassFigures {
  uint64_t count;
  double sum;
  double mean;
};

struct Figures {
  ClassFigures all, positives, negatives;
  uint64_t active;
  uint64_t others;
};

constexpr uint64_t kSizeMax = (uint64_t{1} << 53) - 1;  // JavaScript's safe integers

// Totals over up to kSizeMax elements of any number of calls, as one plain block of memory; all zeros is the
// empty one.
struct Totals {
  uint64_t positives = 0;
  uint64_t negatives = 0;
  uint64_t active = 0;  // negatives with x < Δ: those whose loss and gradient are not zero
  uint64_t others = 0;
  ExactSum sums[2];  // losses of the positives, of the negatives

  void add(double loss, bool is_negative) {
    positives += !is_negative;
    negatives += is_negative;
    active += is_negative && loss > 0;
    sums[is_negative].add(loss);
  }
  void merge(const Totals& other);
  uint64_t size() const { return positives + negatives + others; }
  Figures figures(OtherLabelPolicy policy) const;

  // Whether there are elements with such totals.
  bool is_possible() const;
};

// Where gradients go, and what they are multiplied with.
template <class T>
struct Gradients {
  T* out = nullptr;             // [n], which may be the input; null where no gradients are wanted
  const T* incoming = nullptr;  // [n], or null: then `constant` for all
  T constant = 0;
};

// Elements whose label is neither.
uint64_t count_others(const Labels& labels, size_t n, const Settings& settings);

// out[n] from input[n], in the same pass with their gradients. `out` may be `input` where there are none.
template <class T>
OtherLabels forward(T* out, const T* input, const Labels& labels, size_t n, const Settings& settings,
                    const Gradients<T>& gradients = {});

// The gradients of input[n].
template <class T>
OtherLabels backward(const Gradients<T>& gradients, const T* input, const Labels& labels, size_t n,
                     const Settings& settings);

// Adds the losses of input[n] to `sum`, in the same pass with their gradients.
template <class T>
OtherLabels reduce(ExactSum& sum, const T* input, const Labels& labels, size_t n, const Settings& settings,
                   const Gradients<T>& gradients = {});

// Adds counts and losses of input[n] to `totals`.
template <class T>
OtherLabels accumulate(Totals& totals, const T* input, const Labels& labels, size_t n,
                       const Settings& settings);

// Adds counts and losses of input[n] to totals[n], each element to its own. On this thread, for n is small.
template <class T>
OtherLabels accumulate_each(Totals* const* totals, const T* input, const Labels& labels, size_t n,
                            const Settings& settings);

}  // namespace hinge_embedding_loss
