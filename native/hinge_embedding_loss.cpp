#include "hinge_embedding_loss.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <type_traits>

#include "kernels/kernels.h"
#include "parallel.h"
#include "reduce.h"

namespace hinge_embedding_loss {

namespace {

// The element type of one label for all elements: generic code gets a pointer to it.
struct Constant {
  double value;
};

// Calls use(labels), with a pointer to the labels' element type or to a Constant.
template <class Use>
auto with_labels(const Labels& labels, const Use& use) {
  const Constant constant{labels.constant};
  if (labels.data == nullptr) return use(&constant);
  return with_dtype(labels.dtype, [&]<class L>(L*) { return use(static_cast<const L*>(labels.data)); });
}

// Writes codes +1, −1 and, for other labels, 0. Returns true if there are other labels.
template <class L>
bool encode(int8_t* codes, const L* labels, size_t begin, size_t n, const Settings& settings) {
  return kernels().encode<L>()(codes, labels + begin, n, settings.positive_label, settings.negative_label);
}
bool encode(int8_t* codes, const Constant* label, size_t, size_t n, const Settings& settings) {
  const int code = (label->value == settings.positive_label) - (label->value == settings.negative_label);
  std::memset(codes, code, n);
  return code == 0;
}

// How an input is divided: among threads, and what a thread takes into blocks.
template <class T>
struct Division {
  size_t step;
  size_t block;
  // The array whose cache lines blocks begin at, if it is not null: the input, or the array that is written.
  // A vector that straddles two lines costs twice, and cannot be streamed. So the first block may be short.
  const T* aligned;

  // The length of the block that begins at element i.
  size_t length(size_t i, size_t left) const {
    if (left <= block) return left;
    const size_t misaligned = reinterpret_cast<uintptr_t>(aligned + i) % 64 / sizeof(T);
    return aligned == nullptr || misaligned == 0 ? block : 64 / sizeof(T) - misaligned;
  }
};

template <class T>
Division<T> divide(const Input<T>& input, const T* aligned, const Gradients<T>& gradients = {}) {
  if (input.data != nullptr) return {kRange, kBlock, aligned};
  if (gradients.pairs == nullptr) return {input.pairs.step(), kBlock, nullptr};
  return {gradients.pairs->step(), std::min(kBlock, gradients.pairs->block()), nullptr};
}

// Counts the elements with code 0, whose first index is `begin`. As an input of Δ with label −1, their loss
// and gradient are 0.
template <class T>
void mask_others(T* masked, int8_t* codes, const T* input, size_t begin, size_t n, const Settings& settings,
                 OtherLabels& others) {
  for (size_t j = 0; j < n; j++) {
    const bool is_other = codes[j] == 0;
    others.first = is_other ? std::min<uint64_t>(others.first, begin + j) : others.first;
    others.count += is_other;
    masked[j] = is_other ? static_cast<T>(settings.margin) : input[j];
    codes[j] = is_other ? -1 : codes[j];
  }
}

// Calls visit(input, labels, n, index of the first element) for each block of [begin, end), with labels of +1
// and −1 only. Tries the caller's labels first; if visit returns false, or they are of another type or
// encoding, passes codes. Other labels are masked.
template <class T, class L, class Visit>
void for_each_block(const Division<T>& division, const Input<T>& input, const L* labels, size_t begin,
                    size_t end, const Settings& settings, OtherLabels& others, const Visit& visit) {
  constexpr bool kIsKernelLabel = std::is_same_v<L, T> || std::is_same_v<L, int8_t>;
  const bool has_kernel_encoding = settings.positive_label == 1 && settings.negative_label == -1;
  size_t n;
  for (size_t i = begin; i < end; i += n) {
    n = division.length(i, end - i);
    T buffer[kBlock];
    const T* x = input.read(i, n, buffer);
    if constexpr (kIsKernelLabel) {
      if (has_kernel_encoding && visit(x, labels + i, n, i)) continue;
    }
    int8_t codes[kBlock];
    if (!encode(codes, labels, i, n, settings)) {
      visit(x, codes, n, i);
      continue;
    }
    mask_others(buffer, codes, x, i, n, settings, others);
    visit(buffer, codes, n, i);
  }
}

// Visits all blocks of input[n], on several threads if n is large. Each thread has a part of its own, and
// passes it to `join` at its end, one thread at a time.
template <class T, class MakePart, class Visit, class Join>
OtherLabels visit_blocks(const Division<T>& division, const Input<T>& input, const Labels& labels, size_t n,
                         const Settings& settings, const MakePart& make_part, const Visit& visit,
                         const Join& join) {
  OtherLabels all_others;
  std::mutex joining;
  with_labels(labels, [&](const auto* data) {
    const auto visit_ranges = [&](Ranges& ranges) {
      auto part = make_part();
      OtherLabels others;
      for (size_t begin, end; ranges.next(begin, end);) {
        for_each_block(division, input, data, begin, end, settings, others,
                       [&](const T* x, const auto* y, size_t count, size_t index) {
                         return visit(part, x, y, count, index);
                       });
      }
      const std::lock_guard lock(joining);
      join(part);
      all_others.count += others.count;
      all_others.first = std::min(all_others.first, others.first);
    };
    parallel_for(n, visit_ranges, division.step);
  });
  return all_others;
}

template <class T, class L>
const LossKernels<T, L>& kernels_for(const L*) {
  return kernels().loss<T, L>();
}

// An array that is written block by block. It may be the input.
template <class T>
class Output {
 public:
  Output(T* data, const T* input, size_t n)
      : data_(data), is_streamed_(data != input && n * sizeof(T) >= kStreamedBytes) {}

  // Calls compute(to, streamed), which writes a block. If it returns false, an input that is also the output
  // is restored.
  template <class Compute>
  bool write(const T* input, size_t n, size_t index, const Compute& compute) const {
    T* to = data_ + index;
    if (input != to) return compute(to, is_streamed_);
    T copy[kBlock];
    std::memcpy(copy, input, n * sizeof(T));
    const bool is_valid = compute(to, false);
    if (!is_valid) std::memcpy(to, copy, n * sizeof(T));
    return is_valid;
  }

  // Each thread calls this after its last write.
  void finish() const {
    if (is_streamed_) finish_streams();
  }

 private:
  T* data_;
  bool is_streamed_;
};

// g · w / (divisor · 2^exponent), also where g · w or the divisor is beyond the doubles.
double scale_exactly(double g, double w, double divisor, int exponent) {
  if (!std::isfinite(g)) return g * w;
  int g_exponent, w_exponent;
  const double product = std::frexp(g, &g_exponent) * std::frexp(w, &w_exponent);
  return std::ldexp(product / divisor, g_exponent + w_exponent - exponent);
}

// out[n], the weighted upstream gradients of the elements from `index` on.
template <class T>
void weight_upstream(T* out, const Gradients<T>& gradients, size_t index, size_t n) {
  const auto& [weights, fraction, exponent] = *gradients.weights;
  const auto upstream = [&](size_t i) {
    return gradients.upstream == nullptr ? gradients.constant
                                         : static_cast<double>(gradients.upstream[index + i]);
  };
  const double divisor = std::ldexp(fraction, exponent);
  // Between these, g · w / divisor rounds as it does without limits of the exponent.
  constexpr double kLeast = 0x1p-500, kMost = 0x1p500;
  bool is_plain = divisor == 0 || (divisor >= kLeast && divisor <= kMost);
  double read[kBlock];
  weights.from(index).read(read, n);
  for (size_t i = 0; i < n; i++) {
    const double g = upstream(i), w = read[i], product = g * w;
    const double magnitude = std::abs(product);
    const bool rounds_alike = (magnitude >= kLeast) & (magnitude <= kMost);
    is_plain &= rounds_alike | (g == 0) | (w == 0);
    out[i] = static_cast<T>(product / divisor);
  }
  if (is_plain || divisor == 1) return;
  for (size_t i = 0; i < n; i++) {
    out[i] = static_cast<T>(scale_exactly(upstream(i), read[i], fraction, exponent));
  }
}

// The gradients of a call, written block by block.
template <class T>
class GradientOutput {
 public:
  GradientOutput(const Gradients<T>& gradients, const Input<T>& input, size_t n, T margin)
      : gradients_(gradients), out_(gradients.out, input.data, n), margin_(margin) {}

  template <class L>
  bool write(const T* input, const L* label, size_t n, size_t index) const {
    if (!gradients_.are_wanted()) return true;
    const bool has_weights = gradients_.weights != nullptr;
    const bool one_for_all = gradients_.upstream == nullptr && !has_weights;
    const T constant = static_cast<T>(gradients_.constant);
    T buffer[kBlock];
    if (has_weights) weight_upstream(buffer, gradients_, index, n);
    const T* upstream = has_weights ? buffer : one_for_all ? &constant : gradients_.upstream + index;
    const auto compute = [&](T* to, bool streamed) {
      return kernels_for<T>(label).backward[one_for_all](to, input, label, upstream, n, margin_, streamed);
    };
    if (gradients_.pairs == nullptr) return out_.write(input, n, index, compute);
    if (!compute(buffer, false)) return false;
    gradients_.pairs->write(index, index + n, buffer, 1);
    return true;
  }

  void finish() const {
    out_.finish();
    if (gradients_.pairs != nullptr) gradients_.pairs->finish_writes();
  }

 private:
  const Gradients<T>& gradients_;
  const Output<T> out_;
  const T margin_;
};

// a[i] · b[i] = products[i] + errors[i], exactly. Returns false if that may not be so for some i.
bool multiply(double* products, double* errors, const double* a, const double* b, size_t n) {
  bool is_exact = true;
  for (size_t i = 0; i < n; i++) is_exact &= two_product(a[i], b[i], products[i], errors[i]);
  return is_exact;
}

// Elements whose weighted losses are summed together. They are few, because the stack of DuckDB's threads may
// be small.
constexpr size_t kWeightedBlock = 512;

// Adds elements with weights, block by block.
template <class T>
class WeightedSums {
 public:
  WeightedTotals totals;

  // Adds n ≤ kWeightedBlock elements of these losses, classes and weights.
  void add_block(const T* losses, const int8_t* classes, const Weights& weights, size_t n) {
    double factors[kWeightedBlock], widened[kWeightedBlock];
    double products[kWeightedBlock], errors[kWeightedBlock];
    for (size_t i = 0; i < n; i++) widened[i] = static_cast<double>(losses[i]);
    weights.read(factors, n);
    // The product of two floats is a double.
    const bool has_errors = sizeof(T) > 4 || weights.dtype != DType::kFloat32;
    bool is_exact = true;
    if (has_errors) {
      is_exact = multiply(products, errors, factors, widened, n);
    } else {
      for (size_t i = 0; i < n; i++) products[i] = factors[i] * widened[i];
    }
    for (const int8_t each : {1, -1, 0}) {
      int64_t masks[kWeightedBlock];  // all ones for elements of this class
      for (size_t i = 0; i < n; i++) masks[i] = -static_cast<int64_t>(classes[i] == each);
      const auto count = static_cast<uint64_t>(-std::accumulate(masks, masks + n, int64_t{0}));
      (each > 0 ? totals.positives : each < 0 ? totals.negatives : totals.others) += count;
      if (count == 0) continue;
      add_selected(weight_ladder_, factors, masks, n, totals.weights[each + 1]);
      if (each == 0) continue;
      ProductSum& sum = totals.sums[each < 0];
      if (is_exact) {
        add_selected(product_ladder_, products, masks, n, sum);
        if (has_errors) add_selected(error_ladder_, errors, masks, n, sum);
      } else {
        for (size_t i = 0; i < n; i++) {
          if (masks[i] != 0) sum.add_product(factors[i], widened[i]);
        }
      }
    }
    uint32_t active = 0;
    for (size_t i = 0; i < n; i++) active += (classes[i] < 0) & (losses[i] > 0);
    totals.active += active;
  }

 private:
  // Adds the values whose masks are all ones to `sum`. Branches would cost more: classes are hard to predict.
  template <class Sum>
  static void add_selected(Ladder& ladder, const double* values, const int64_t* masks, size_t n, Sum& sum) {
    double selected[kWeightedBlock];
    int8_t ones[kWeightedBlock];
    for (size_t i = 0; i < n; i++) {
      selected[i] = std::bit_cast<double>(std::bit_cast<int64_t>(values[i]) & masks[i]);
    }
    std::fill_n(ones, n, int8_t{1});
    BlockSums block;
    reduce_block(ladder, false, selected, ones, n, 0.0, &sum, block);
  }

  Ladder product_ladder_ = Ladder::start(1.0), error_ladder_ = Ladder::start(0x1p-53),
         weight_ladder_ = Ladder::start(1.0);
};

template <class T>
Ladder start_ladder(const Input<T>& input, size_t n, T margin) {
  const T first = n > 0 && input.data != nullptr ? *input.data : 0;  // a distance would be computed twice
  const T likely = std::isfinite(first) ? std::abs(first) : 0;
  return Ladder::start(std::max(likely, std::abs(margin)));
}

}  // namespace

bool SmallTotals::merge(const SmallTotals& other) {
  SmallTotals merged = *this;
  for (int c = 0; c < 2; c++) {
    if (!merged.sums[c].add(other.sums[c].head) || !merged.sums[c].add(other.sums[c].tail)) return false;
  }
  for (int k = 0; k < 3; k++) {
    if (merged.counts[k] > UINT32_MAX - other.counts[k]) return false;
    merged.counts[k] += other.counts[k];
  }
  merged.active += other.active;
  *this = merged;
  return true;
}

Totals::Totals(const SmallTotals& small)
    : Counts{small.counts[2], small.counts[0], small.active, small.counts[1]},
      sums{ExactSum(small.sums[0]), ExactSum(small.sums[1])} {}

bool Totals::is_small(SmallTotals& small) const {
  const uint64_t counts[] = {negatives, others, positives};
  for (int k = 0; k < 3; k++) {
    if (counts[k] > UINT32_MAX) return false;
    small.counts[k] = static_cast<uint32_t>(counts[k]);
  }
  small.active = static_cast<uint32_t>(active);  // of the negatives
  return sums[0].is_small(small.sums[0]) && sums[1].is_small(small.sums[1]);
}

void Totals::merge(const Totals& other) {
  for (int c = 0; c < 2; c++) sums[c].merge(other.sums[c]);
  *this += other;
}

WeightedTotals::WeightedTotals(const Totals& totals) : Counts(totals) {
  for (int c = 0; c < 2; c++) sums[c].merge(totals.sums[c]);
  const uint64_t counts[] = {negatives, others, positives};
  for (int k = 0; k < 3; k++) weights[k].add(static_cast<double>(counts[k]));
}

bool SmallWeightedTotals::add(double loss, double weight, int8_t class_of) {
  double product, error;
  if (!two_product(loss, weight, product, error)) return false;
  SmallWeightedTotals next = *this;
  uint32_t& count = next.counts[class_of + 1];
  LongSum& sum = next.sums[class_of < 0];
  if (count == UINT32_MAX || !next.weights[class_of + 1].add(weight)) return false;
  if (class_of != 0 && !(sum.add(product) && sum.add(error))) return false;
  count++;
  next.active += class_of < 0 && loss > 0;
  *this = next;
  return true;
}

bool SmallWeightedTotals::merge(const SmallWeightedTotals& other) {
  SmallWeightedTotals merged = *this;
  for (int c = 0; c < 2; c++) {
    for (const double part : other.sums[c].parts) {
      if (!merged.sums[c].add(part)) return false;
    }
  }
  for (int k = 0; k < 3; k++) {
    const auto& [head, tail] = other.weights[k];
    if (!merged.weights[k].add(head) || !merged.weights[k].add(tail)) return false;
    if (merged.counts[k] > UINT32_MAX - other.counts[k]) return false;
    merged.counts[k] += other.counts[k];
  }
  merged.active += other.active;
  *this = merged;
  return true;
}

WeightedTotals::WeightedTotals(const SmallWeightedTotals& small)
    : Counts{small.counts[2], small.counts[0], small.active, small.counts[1]},
      weights{ExactSum(small.weights[0]), ExactSum(small.weights[1]), ExactSum(small.weights[2])} {
  for (int c = 0; c < 2; c++) {
    for (const double part : small.sums[c].parts) sums[c].add(part);
  }
}

bool WeightedTotals::is_small(SmallWeightedTotals& small) const {
  const uint64_t counts[] = {negatives, others, positives};
  for (int k = 0; k < 3; k++) {
    if (counts[k] > UINT32_MAX || !weights[k].is_small(small.weights[k])) return false;
    small.counts[k] = static_cast<uint32_t>(counts[k]);
  }
  small.active = static_cast<uint32_t>(active);  // of the negatives
  return sums[0].is_long(small.sums[0]) && sums[1].is_long(small.sums[1]);
}

void WeightedTotals::add(double loss, double weight, int8_t class_of) {
  positives += class_of > 0;
  negatives += class_of < 0;
  others += class_of == 0;
  active += class_of < 0 && loss > 0;
  weights[class_of + 1].add(weight);
  if (class_of != 0) sums[class_of < 0].add_product(loss, weight);
}

void WeightedTotals::merge(const WeightedTotals& other) {
  for (int c = 0; c < 2; c++) sums[c].merge(other.sums[c]);
  for (int k = 0; k < 3; k++) weights[k].merge(other.weights[k]);
  *this += other;
}

ExactSum WeightedTotals::weight(OtherLabelPolicy policy) const {
  ExactSum weight = weights[0];
  weight.merge(weights[2]);
  if (policy != OtherLabelPolicy::kIgnore) weight.merge(weights[1]);
  return weight;
}

double label_at(const Labels& labels, size_t index) {
  return with_labels(labels, [&](const auto* data) {
    if constexpr (std::is_same_v<decltype(data), const Constant*>)
      return data->value;
    else
      return static_cast<double>(data[index]);
  });
}

namespace {

uint64_t count_of(const Counts& counts, OtherLabelPolicy policy) {
  return counts.positives + counts.negatives + (policy == OtherLabelPolicy::kIgnore ? 0 : counts.others);
}

ClassFigures round(uint64_t count, const ExactSum& sum) {
  return {count, sum.round(1), sum.round(count), static_cast<double>(count)};
}

ClassFigures round(uint64_t count, const ProductSum& sum, const ExactSum& weight) {
  return {count, sum.round(1), sum.round(weight), weight.round(1)};
}

}  // namespace

Figures Totals::figures(OtherLabelPolicy policy) const {
  ExactSum all = sums[0];
  all.merge(sums[1]);
  return {round(count_of(*this, policy), all), round(positives, sums[0]), round(negatives, sums[1]), active,
          others};
}

ClassFigures WeightedTotals::all(OtherLabelPolicy policy) const {
  ProductSum all = sums[0];
  all.merge(sums[1]);
  return round(count_of(*this, policy), all, weight(policy));
}

Figures WeightedTotals::figures(OtherLabelPolicy policy) const {
  return {all(policy), round(positives, sums[0], weights[2]), round(negatives, sums[1], weights[0]), active,
          others};
}

bool WeightedTotals::is_possible() const {
  const auto is_weight = [](uint64_t count, const ExactSum& weight) {
    if (count == 0) return weight.is_zero();
    return weight.is_finite() && !weight.is_negative() && std::isfinite(weight.round(count));
  };
  const auto is_sum = [](uint64_t count, const ProductSum& sum, const ExactSum& weight) {
    if (weight.is_zero()) return sum.is_zero() || (count > 0 && sum.is_nan());
    return !sum.is_finite() || std::isfinite(sum.round(weight));
  };
  const ProductSum& hinges = sums[1];
  return active <= negatives && is_weight(negatives, weights[0]) && is_weight(others, weights[1]) &&
         is_weight(positives, weights[2]) && is_sum(positives, sums[0], weights[2]) &&
         is_sum(negatives, hinges, weights[0]) &&
         (hinges.is_nan() || (active > 0 ? !hinges.is_negative() : hinges.is_zero()));
}

bool Totals::is_possible() const {
  const auto has_sum = [](uint64_t count, const ExactSum& sum) {
    return count == 0 ? sum.is_zero() : !sum.is_finite() || std::isfinite(sum.round(count));
  };
  const double loss = sums[1].round(1);
  const bool is_possible_loss = std::isnan(loss) ? active < negatives : active > 0 ? loss > 0 : loss == 0;
  return has_sum(positives, sums[0]) && has_sum(negatives, sums[1]) && active <= negatives &&
         is_possible_loss;
}

uint64_t count_others(const Labels& labels, size_t n, const Settings& settings) {
  std::atomic<uint64_t> total = 0;
  with_labels(labels, [&](const auto* data) {
    parallel_for(n, [&](Ranges& ranges) {
      uint64_t count = 0;
      for (size_t begin, end; ranges.next(begin, end);) {
        for (size_t i = begin; i < end; i += kBlock) {
          int8_t codes[kBlock];
          const size_t length = std::min(kBlock, end - i);
          if (encode(codes, data, i, length, settings)) count += std::count(codes, codes + length, 0);
        }
      }
      total += count;
    });
  });
  return total;
}

void Weights::read(double* out, size_t n) const {
  const auto copy = [&](const auto* values) {
    for (size_t i = 0; i < n; i++) out[i] = static_cast<double>(values[i]) + 0;  // −0 + 0 = +0
  };
  if (data == nullptr) {
    std::fill_n(out, n, constant + 0);
  } else if (dtype == DType::kFloat32) {
    copy(static_cast<const float*>(data));
  } else {
    copy(static_cast<const double*>(data));
  }
}

namespace {

template <class T>
InvalidWeights find_invalid_of(const T* weights, size_t n) {
  InvalidWeights all;
  std::mutex joining;
  parallel_for(n, [&](Ranges& ranges) {
    InvalidWeights invalid;
    for (size_t begin, end; ranges.next(begin, end);) {
      uint64_t count = 0, first = n;
      for (size_t i = begin; i < end; i++) {
        const bool is_invalid = !(weights[i] >= 0 && weights[i] <= std::numeric_limits<T>::max());
        count += is_invalid;
        first = is_invalid ? std::min<uint64_t>(first, i) : first;
      }
      invalid.count += count;
      if (count > 0) invalid.first = std::min(invalid.first, first);
    }
    const std::lock_guard lock(joining);
    all = {all.count + invalid.count, std::min(all.first, invalid.first)};
  });
  return all;
}

}  // namespace

InvalidWeights find_invalid(const Weights& weights, size_t n) {
  if (weights.data == nullptr) {
    return n > 0 && find_invalid_of(&weights.constant, 1).count > 0 ? InvalidWeights{n, 0} : InvalidWeights{};
  }
  return weights.dtype == DType::kFloat32 ? find_invalid_of(static_cast<const float*>(weights.data), n)
                                          : find_invalid_of(static_cast<const double*>(weights.data), n);
}

UpstreamWeights::UpstreamWeights(const Weights& all, const ExactSum& weight) : weights(all) {
  // A sum of 2^53 weights may be too large for a double.
  constexpr int kShift = 52;
  const double rounded = weight.round(1);
  const bool is_double = std::isfinite(rounded);
  divisor = std::frexp(is_double ? rounded : weight.round(uint64_t{1} << kShift), &exponent);
  if (!is_double) exponent += kShift;
}

template <class T>
OtherLabels forward(T* out, const Input<T>& input, const Labels& labels, size_t n, const Settings& settings,
                    const Gradients<T>& gradients, const Weights* weights) {
  const T margin = static_cast<T>(settings.margin);
  const bool reads_losses = weights != nullptr;  // what is streamed is not in the caches
  const Output<T> losses(out, input.data, reads_losses ? 0 : n);
  const GradientOutput<T> gradient_output(gradients, input, n, margin);
  return visit_blocks(
      divide(input, out, gradients), input, labels, n, settings, [] { return 0; },
      [&](int, const T* x, const auto* y, size_t count, size_t index) {
        const auto compute = [&](T* to, bool streamed) {
          if (!kernels_for<T>(y).forward(to, x, y, count, margin, streamed)) return false;
          if (weights == nullptr) return true;
          double factors[kBlock];
          weights->from(index).read(factors, count);
          for (size_t i = 0; i < count; i++) {
            to[i] = static_cast<T>(static_cast<double>(to[i]) * factors[i]) + T{0};  // −0 + 0 = +0
          }
          return true;
        };
        return losses.write(x, count, index, compute) && gradient_output.write(x, y, count, index);
      },
      [&](int) {
        losses.finish();
        gradient_output.finish();
      });
}

template <class T>
OtherLabels backward(const Gradients<T>& gradients, const Input<T>& input, const Labels& labels, size_t n,
                     const Settings& settings) {
  const GradientOutput<T> gradient_output(gradients, input, n, static_cast<T>(settings.margin));
  return visit_blocks(
      divide(input, gradients.out, gradients), input, labels, n, settings, [] { return 0; },
      [&](int, const T* x, const auto* y, size_t count, size_t index) {
        return gradient_output.write(x, y, count, index);
      },
      [&](int) { gradient_output.finish(); });
}

template <class T>
OtherLabels reduce(ExactSum& sum, const Input<T>& input, const Labels& labels, size_t n,
                   const Settings& settings, const Gradients<T>& gradients) {
  const T margin = static_cast<T>(settings.margin);
  const GradientOutput<T> gradient_output(gradients, input, n, margin);
  struct Part {
    Ladder ladder;
    ExactSum sum;
  };
  return visit_blocks(
      divide(input, gradients.out == nullptr ? input.data : gradients.out, gradients), input, labels, n,
      settings,
      [&] {
        return Part{start_ladder(input, n, margin), {}};
      },
      [&](Part& part, const T* x, const auto* y, size_t count, size_t index) {
        BlockSums block;
        return reduce_block(part.ladder, false, x, y, count, margin, &part.sum, block) &&
               gradient_output.write(x, y, count, index);
      },
      [&](const Part& part) {
        gradient_output.finish();
        sum.merge(part.sum);
      });
}

template <class T>
OtherLabels accumulate(Totals& totals, const Input<T>& input, const Labels& labels, size_t n,
                       const Settings& settings) {
  const T margin = static_cast<T>(settings.margin);
  struct Part {
    Ladder ladder;
    Totals totals;
  };
  const OtherLabels others = visit_blocks(
      divide(input, input.data), input, labels, n, settings,
      [&] {
        return Part{start_ladder(input, n, margin), {}};
      },
      [&](Part& part, const T* x, const auto* y, size_t count, size_t) {
        BlockSums block;
        if (!reduce_block(part.ladder, true, x, y, count, margin, part.totals.sums, block)) return false;
        part.totals.positives += count - block.negatives;
        part.totals.negatives += block.negatives;
        part.totals.active += block.active;
        return true;
      },
      [&](const Part& part) { totals.merge(part.totals); });
  totals.negatives -= others.count;  // visit_blocks passes others as negatives
  totals.others += others.count;
  return others;
}

template <class T>
OtherLabels accumulate(WeightedTotals& totals, const Input<T>& input, const Labels& labels,
                       const Weights& weights, size_t n, const Settings& settings) {
  OtherLabels all_others;
  std::mutex joining;
  const auto add_ranges = [&](Ranges& ranges) {
    WeightedSums<T> part;
    OtherLabels others;
    for (size_t begin, end; ranges.next(begin, end);) {
      for (size_t i = begin, length; i < end; i += length) {
        length = std::min(kWeightedBlock, end - i);
        T losses[kWeightedBlock], buffer[kWeightedBlock];
        int8_t classes[kWeightedBlock];
        const T* x = input.read(i, length, buffer);
        const OtherLabels found = classify(losses, classes, x, labels.from(i), length, settings);
        if (found.count > 0) others = {others.count + found.count, std::min(others.first, i + found.first)};
        part.add_block(losses, classes, weights.from(i), length);
      }
    }
    const std::lock_guard lock(joining);
    totals.merge(part.totals);
    all_others = {all_others.count + others.count, std::min(all_others.first, others.first)};
  };
  parallel_for(n, add_ranges, divide(input, input.data).step);
  return all_others;
}

template <class T>
OtherLabels classify(T* losses, int8_t* classes, const T* input, const Labels& labels, size_t n,
                     const Settings& settings) {
  const bool has_others =
      with_labels(labels, [&](const auto* data) { return encode(classes, data, 0, n, settings); });
  const auto forward = kernels().loss<T, int8_t>().forward;
  const T margin = static_cast<T>(settings.margin);
  OtherLabels others;
  if (!has_others) {
    forward(losses, input, classes, n, margin, false);
    return others;
  }
  T masked[kBlock];
  int8_t codes[kBlock];
  std::copy(classes, classes + n, codes);
  mask_others(masked, codes, input, 0, n, settings, others);
  forward(losses, masked, codes, n, margin, false);
  return others;
}

template OtherLabels forward(float*, const Input<float>&, const Labels&, size_t, const Settings&,
                             const Gradients<float>&, const Weights*);
template OtherLabels forward(double*, const Input<double>&, const Labels&, size_t, const Settings&,
                             const Gradients<double>&, const Weights*);
template OtherLabels backward(const Gradients<float>&, const Input<float>&, const Labels&, size_t,
                              const Settings&);
template OtherLabels backward(const Gradients<double>&, const Input<double>&, const Labels&, size_t,
                              const Settings&);
template OtherLabels reduce(ExactSum&, const Input<float>&, const Labels&, size_t, const Settings&,
                            const Gradients<float>&);
template OtherLabels reduce(ExactSum&, const Input<double>&, const Labels&, size_t, const Settings&,
                            const Gradients<double>&);
template OtherLabels accumulate(Totals&, const Input<float>&, const Labels&, size_t, const Settings&);
template OtherLabels accumulate(Totals&, const Input<double>&, const Labels&, size_t, const Settings&);
template OtherLabels accumulate(WeightedTotals&, const Input<float>&, const Labels&, const Weights&, size_t,
                                const Settings&);
template OtherLabels accumulate(WeightedTotals&, const Input<double>&, const Labels&, const Weights&, size_t,
                                const Settings&);
template OtherLabels classify(float*, int8_t*, const float*, const Labels&, size_t, const Settings&);
template OtherLabels classify(double*, int8_t*, const double*, const Labels&, size_t, const Settings&);

}  // namespace hinge_embedding_loss
