#include "hinge_embedding_loss.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
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

// The first block may be short: it ends at a cache line, so that all other blocks begin at one. A vector that
// straddles two lines costs twice, and cannot be streamed.
template <class T>
size_t block_length(const T* first, size_t left) {
  if (left <= kBlock) return left;
  const size_t misaligned = reinterpret_cast<uintptr_t>(first) % 64 / sizeof(T);
  return misaligned == 0 ? kBlock : 64 / sizeof(T) - misaligned;
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
// encoding, passes codes. Other labels are masked. Blocks are aligned in `aligned`: the input, or the array
// that is written.
template <class T, class L, class Visit>
void for_each_block(const T* aligned, const T* input, const L* labels, size_t begin, size_t end,
                    const Settings& settings, OtherLabels& others, const Visit& visit) {
  constexpr bool kIsKernelLabel = std::is_same_v<L, T> || std::is_same_v<L, int8_t>;
  const bool has_kernel_encoding = settings.positive_label == 1 && settings.negative_label == -1;
  size_t n;
  for (size_t i = begin; i < end; i += n) {
    n = block_length(aligned + i, end - i);
    if constexpr (kIsKernelLabel) {
      if (has_kernel_encoding && visit(input + i, labels + i, n, i)) continue;
    }
    int8_t codes[kBlock];
    if (!encode(codes, labels, i, n, settings)) {
      visit(input + i, codes, n, i);
      continue;
    }
    T masked[kBlock];
    mask_others(masked, codes, input + i, i, n, settings, others);
    visit(masked, codes, n, i);
  }
}

// Visits all blocks of input[n], on several threads if n is large. Each thread has a part of its own, and
// passes it to `join` at its end, one thread at a time.
template <class T, class MakePart, class Visit, class Join>
OtherLabels visit_blocks(const T* aligned, const T* input, const Labels& labels, size_t n,
                         const Settings& settings, const MakePart& make_part, const Visit& visit,
                         const Join& join) {
  OtherLabels all_others;
  std::mutex joining;
  with_labels(labels, [&](const auto* data) {
    parallel_for(n, [&](Ranges& ranges) {
      auto part = make_part();
      OtherLabels others;
      for (size_t begin, end; ranges.next(begin, end);) {
        for_each_block(aligned, input, data, begin, end, settings, others,
                       [&](const T* x, const auto* y, size_t count, size_t index) {
                         return visit(part, x, y, count, index);
                       });
      }
      const std::lock_guard lock(joining);
      join(part);
      all_others.count += others.count;
      all_others.first = std::min(all_others.first, others.first);
    });
  });
  return all_others;
}

template <class T, class L>
const LossKernels<T, L>& kernels_for(const L*) {
  return kernels().loss<T, L>();
}

// Outputs of this size are streamed past the caches: an ordinary store first reads the line that it
// overwrites.
constexpr size_t kStreamedBytes = size_t{1} << 24;

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

// The gradients of a call, written block by block.
template <class T>
class GradientOutput {
 public:
  GradientOutput(const Gradients<T>& gradients, const T* input, size_t n, T margin)
      : gradients_(gradients), out_(gradients.out, input, n), margin_(margin) {}

  template <class L>
  bool write(const T* input, const L* label, size_t n, size_t index) const {
    if (gradients_.out == nullptr) return true;
    const bool one_for_all = gradients_.upstream == nullptr;
    const T* upstream = one_for_all ? &gradients_.constant : gradients_.upstream + index;
    return out_.write(input, n, index, [&](T* to, bool streamed) {
      return kernels_for<T>(label).backward[one_for_all](to, input, label, upstream, n, margin_, streamed);
    });
  }

  void finish() const { out_.finish(); }

 private:
  const Gradients<T>& gradients_;
  const Output<T> out_;
  const T margin_;
};

template <class T>
Ladder start_ladder(const T* input, size_t n, T margin) {
  const T first = n > 0 && std::isfinite(input[0]) ? std::abs(input[0]) : 0;
  return Ladder::start(std::max(first, std::abs(margin)));
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
    : positives(small.counts[2]),
      negatives(small.counts[0]),
      active(small.active),
      others(small.counts[1]),
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
  positives += other.positives;
  negatives += other.negatives;
  active += other.active;
  others += other.others;
}

double label_at(const Labels& labels, size_t index) {
  return with_labels(labels, [&](const auto* data) {
    if constexpr (std::is_same_v<decltype(data), const Constant*>)
      return data->value;
    else
      return static_cast<double>(data[index]);
  });
}

Figures Totals::figures(OtherLabelPolicy policy) const {
  const auto round = [](uint64_t count, const ExactSum& sum) {
    return ClassFigures{count, sum.round(1), sum.round(count)};
  };
  const uint64_t count = positives + negatives + (policy == OtherLabelPolicy::kIgnore ? 0 : others);
  ExactSum all = sums[0];
  all.merge(sums[1]);
  return {round(count, all), round(positives, sums[0]), round(negatives, sums[1]), active, others};
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

template <class T>
OtherLabels forward(T* out, const T* input, const Labels& labels, size_t n, const Settings& settings,
                    const Gradients<T>& gradients) {
  const T margin = static_cast<T>(settings.margin);
  const Output<T> losses(out, input, n);
  const GradientOutput<T> gradient_output(gradients, input, n, margin);
  return visit_blocks(
      out, input, labels, n, settings, [] { return 0; },
      [&](int, const T* x, const auto* y, size_t count, size_t index) {
        const auto compute = [&](T* to, bool streamed) {
          return kernels_for<T>(y).forward(to, x, y, count, margin, streamed);
        };
        return losses.write(x, count, index, compute) && gradient_output.write(x, y, count, index);
      },
      [&](int) {
        losses.finish();
        gradient_output.finish();
      });
}

template <class T>
OtherLabels backward(const Gradients<T>& gradients, const T* input, const Labels& labels, size_t n,
                     const Settings& settings) {
  const GradientOutput<T> gradient_output(gradients, input, n, static_cast<T>(settings.margin));
  return visit_blocks(
      gradients.out, input, labels, n, settings, [] { return 0; },
      [&](int, const T* x, const auto* y, size_t count, size_t index) {
        return gradient_output.write(x, y, count, index);
      },
      [&](int) { gradient_output.finish(); });
}

template <class T>
OtherLabels reduce(ExactSum& sum, const T* input, const Labels& labels, size_t n, const Settings& settings,
                   const Gradients<T>& gradients) {
  const T margin = static_cast<T>(settings.margin);
  const GradientOutput<T> gradient_output(gradients, input, n, margin);
  struct Part {
    Ladder ladder;
    ExactSum sum;
  };
  return visit_blocks(
      gradients.out == nullptr ? input : gradients.out, input, labels, n, settings,
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
OtherLabels accumulate(Totals& totals, const T* input, const Labels& labels, size_t n,
                       const Settings& settings) {
  const T margin = static_cast<T>(settings.margin);
  struct Part {
    Ladder ladder;
    Totals totals;
  };
  const OtherLabels others = visit_blocks(
      input, input, labels, n, settings,
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

template OtherLabels forward(float*, const float*, const Labels&, size_t, const Settings&,
                             const Gradients<float>&);
template OtherLabels forward(double*, const double*, const Labels&, size_t, const Settings&,
                             const Gradients<double>&);
template OtherLabels backward(const Gradients<float>&, const float*, const Labels&, size_t, const Settings&);
template OtherLabels backward(const Gradients<double>&, const double*, const Labels&, size_t,
                              const Settings&);
template OtherLabels reduce(ExactSum&, const float*, const Labels&, size_t, const Settings&,
                            const Gradients<float>&);
template OtherLabels reduce(ExactSum&, const double*, const Labels&, size_t, const Settings&,
                            const Gradients<double>&);
template OtherLabels accumulate(Totals&, const float*, const Labels&, size_t, const Settings&);
template OtherLabels accumulate(Totals&, const double*, const Labels&, size_t, const Settings&);
template OtherLabels classify(float*, int8_t*, const float*, const Labels&, size_t, const Settings&);
template OtherLabels classify(double*, int8_t*, const double*, const Labels&, size_t, const Settings&);

}  // namespace hinge_embedding_loss
