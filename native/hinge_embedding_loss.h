#pragma once

#include <cstddef>
#include <cstdint>

#include "distance.h"
#include "dtypes.h"
#include "exact_sum.h"

// The hinge embedding loss of input x and label y, elementwise, for a margin Δ:
//
//     x               where y is the positive label
//     max(0, Δ − x)   where y is the negative label
//
// as in paddle.nn.functional.hinge_embedding_loss, and its gradient by x, for an upstream gradient g:
//
//     g               where y is the positive label
//     −g              where y is the negative label and x < Δ
//     0               where y is the negative label and x ≥ Δ
//
// Arithmetic is in the input's dtype. A NaN stays NaN: x = NaN has a gradient of NaN for the negative label.
// An "other" label is neither the positive nor the negative one: its loss and its gradient are 0.
namespace hinge_embedding_loss {

// What the loss is of: the elements of an array, or the distances of pairs, which are computed block by
// block.
template <class T>
struct Input {
  const T* data;  // null: of pairs
  Pairs<T> pairs{};

  explicit Input(const T* array) : data(array) {}
  explicit Input(const Pairs<T>& all) : data(nullptr), pairs(all) {}

  // The elements from `begin` on, in the array or in `buffer`, where n ≤ kBlock are written to.
  const T* read(size_t begin, size_t n, T* buffer) const {
    if (data != nullptr) return data + begin;
    compute_distances(buffer, pairs, begin, begin + n);
    return buffer;
  }
};

// One label per element. If `data` is null, `constant` is the label of all elements.
struct Labels {
  DType dtype;
  const void* data;
  double constant;

  // The labels from the flat index on.
  Labels from(size_t index) const {
    const auto* const bytes = static_cast<const char*>(data);
    return {dtype, bytes == nullptr ? nullptr : bytes + index * bytes_of(dtype), constant};
  }
};

// The label at a flat index, as the nearest double.
double label_at(const Labels& labels, size_t index);

// One weight per element, finite and not negative, of float32 or float64. If `data` is null, `constant` is
// the weight of all elements.
struct Weights {
  DType dtype;
  const void* data;
  double constant;

  // The weights from the flat index on.
  Weights from(size_t index) const {
    const auto* const bytes = static_cast<const char*>(data);
    return {dtype, bytes == nullptr ? nullptr : bytes + index * bytes_of(dtype), constant};
  }
  // Writes the weights of n elements as doubles.
  void read(double* out, size_t n) const;
};

struct InvalidWeights {
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;  // flat index
};

// Finds weights that are negative, NaN or infinite. The other functions take no such weights.
InvalidWeights find_invalid(const Weights& weights, size_t n);

// The caller reports an error, or other labels count as elements, or they do not.
enum class OtherLabelPolicy { kError, kZero, kIgnore };

struct Settings {
  double margin = 1;
  int32_t positive_label = 1;
  int32_t negative_label = -1;
  OtherLabelPolicy policy = OtherLabelPolicy::kError;

  bool operator==(const Settings&) const = default;
};

struct OtherLabels {
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;  // flat index

  bool are_errors(const Settings& settings) const {
    return count > 0 && settings.policy == OtherLabelPolicy::kError;
  }
};

// The sum Σ w·l, the weight Σ w and the mean Σ w·l / Σ w are rounded once; w is 1 where there are no weights.
// A mean of weight 0 is NaN.
struct ClassFigures {
  uint64_t count;
  double sum;
  double mean;
  double weight;
};

struct Figures {
  ClassFigures all, positives, negatives;
  uint64_t active;
  uint64_t others;
};

constexpr uint64_t kMaxElements = (uint64_t{1} << 53) - 1;  // JavaScript's largest safe integer

// Totals of few elements, as plain memory; all zeros for none.
struct SmallTotals {
  uint32_t counts[3];  // by class + 1
  uint32_t active;
  SmallSum sums[2];

  // Adds an element of the class; or returns false and changes nothing, if it does not fit.
  bool add(double loss, int8_t class_of) {
    uint32_t& count = counts[class_of + 1];
    if (count == UINT32_MAX || !sums[class_of < 0].add(loss)) return false;
    count++;
    active += class_of < 0 && loss > 0;
    return true;
  }

  // Adds the other's elements; or returns false and changes nothing, if they do not fit.
  bool merge(const SmallTotals& other);
};

struct Counts {
  uint64_t positives = 0;
  uint64_t negatives = 0;
  uint64_t active = 0;  // negatives with x < Δ
  uint64_t others = 0;

  uint64_t size() const { return positives + negatives + others; }

  Counts& operator+=(const Counts& more) {
    positives += more.positives;
    negatives += more.negatives;
    active += more.active;
    others += more.others;
    return *this;
  }
};

// Totals of up to kMaxElements elements, from any number of calls. They are plain memory without pointers,
// and all zeros for no elements.
struct Totals : Counts {
  ExactSum sums[2];  // losses of the positives, of the negatives

  Totals() {}  // not defaulted: {} would then clear limbs that are not in use, a kilobyte
  explicit Totals(const SmallTotals& small);

  // Adds an element of the class.
  void add(double loss, int8_t class_of) {
    positives += class_of > 0;
    negatives += class_of < 0;
    others += class_of == 0;
    active += class_of < 0 && loss > 0;
    sums[class_of < 0].add(loss);
  }
  void merge(const Totals& other);
  // Returns true, and sets `small` to these totals, if they fit.
  bool is_small(SmallTotals& small) const;
  Figures figures(OtherLabelPolicy policy) const;

  // True if some elements have these totals.
  bool is_possible() const;
};

// Totals of few elements with weights, as SmallTotals are.
struct SmallWeightedTotals {
  uint32_t counts[3];  // by class + 1
  uint32_t active;
  LongSum sums[2];
  SmallSum weights[3];  // by class + 1

  bool add(double loss, double weight, int8_t class_of);
  bool merge(const SmallWeightedTotals& other);
};

// Totals of elements with weights, as Totals are.
struct WeightedTotals : Counts {
  ProductSum sums[2];   // w·l of the positives, of the negatives
  ExactSum weights[3];  // by class + 1

  WeightedTotals() {}                             // as Totals
  explicit WeightedTotals(const Totals& totals);  // of weight 1
  explicit WeightedTotals(const SmallWeightedTotals& small);

  // Adds an element of the class.
  void add(double loss, double weight, int8_t class_of);
  void merge(const WeightedTotals& other);
  // Returns true, and sets `small` to these totals, if they fit.
  bool is_small(SmallWeightedTotals& small) const;
  ClassFigures all(OtherLabelPolicy policy) const;
  // The weight of the elements that count.
  ExactSum weight(OtherLabelPolicy policy) const;
  Figures figures(OtherLabelPolicy policy) const;

  // False only if no elements have these totals.
  bool is_possible() const;
};

// How weights w change an upstream gradient g: to g · w / (divisor · 2^exponent), in float64 and rounded
// once.
struct UpstreamWeights {
  Weights weights;
  double divisor = 1;  // 0, or from 1/2 to 1
  int exponent = 0;

  // For a sum of losses.
  explicit UpstreamWeights(const Weights& all) : weights(all) {}
  // For a mean over elements of this weight.
  UpstreamWeights(const Weights& all, const ExactSum& weight);
};

// Where gradients are written, and the upstream gradient that multiplies them.
template <class T>
struct Gradients {
  T* out = nullptr;             // [n], may be the input; null: no gradients are computed
  const T* upstream = nullptr;  // [n]; null: `constant` is the upstream gradient of all elements
  double constant = 0;
  const UpstreamWeights* weights = nullptr;
  // For an input of pairs, instead of `out`: the gradients by both sides.
  DistanceGradients<T>* pairs = nullptr;

  bool are_wanted() const { return out != nullptr || pairs != nullptr; }
};

uint64_t count_others(const Labels& labels, size_t n, const Settings& settings);

// out[n] from input[n]: losses times weights, and in the same pass gradients. `out` may be the input if no
// gradients are computed.
template <class T>
OtherLabels forward(T* out, const Input<T>& input, const Labels& labels, size_t n, const Settings& settings,
                    const Gradients<T>& gradients = {}, const Weights* weights = nullptr);

// gradients.out[n] from input[n].
template <class T>
OtherLabels backward(const Gradients<T>& gradients, const Input<T>& input, const Labels& labels, size_t n,
                     const Settings& settings);

// Adds the losses of input[n] to `sum`, and computes gradients in the same pass.
template <class T>
OtherLabels reduce(ExactSum& sum, const Input<T>& input, const Labels& labels, size_t n,
                   const Settings& settings, const Gradients<T>& gradients = {});

// Adds counts and losses of input[n] to `totals`.
template <class T>
OtherLabels accumulate(Totals& totals, const Input<T>& input, const Labels& labels, size_t n,
                       const Settings& settings);

template <class T>
OtherLabels accumulate(WeightedTotals& totals, const Input<T>& input, const Labels& labels,
                       const Weights& weights, size_t n, const Settings& settings);

// Computes the loss and the class of each of input[n], n ≤ kBlock, on the calling thread: the class is +1 for
// positives, −1 for negatives, and 0 for other labels.
template <class T>
OtherLabels classify(T* losses, int8_t* classes, const T* input, const Labels& labels, size_t n,
                     const Settings& settings);

}  // namespace hinge_embedding_loss
