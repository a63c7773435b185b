// All arithmetic on elements, in the vectors of the instruction set that the including file targets. That
// file defines KERNELS_NAMESPACE, KERNELS_NAME, KERNELS_VECTOR_BYTES, KERNELS_SUPPORTED,
// KERNELS_PREFETCH_BYTES (how far ahead) and KERNELS_PREFETCH_LOCALITY (of __builtin_prefetch). In the
// namespace it defines the functions for which compilers do not find the best instructions:
//
//   max, min                 return the second argument if one is NaN
//   widen_low, widen_high    a vector's halves as doubles
//   multiply_add             a · b + c, rounded once or twice: only for exact products
//   sign_extend              codes in memory as integers of a width; only their signs need be right
//   stream                   stores a vector to aligned memory, past the caches

namespace hinge_embedding_loss::KERNELS_NAMESPACE {
namespace {

template <class E, size_t kLanes>
struct VectorOf {
  typedef E type __attribute__((vector_size(kLanes * sizeof(E))));
};
template <class E, size_t kLanes>
using Vector = typename VectorOf<E, kLanes>::type;

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <class T>
constexpr size_t kLanes = KERNELS_VECTOR_BYTES / sizeof(T);
template <class T>
using Values = Vector<T, kLanes<T>>;
template <class T>
using Bits = Vector<BitsOf<T>, kLanes<T>>;
using Doubles = Values<double>;

// Elements per step: a cache line or two of input. The sums of a step alternate between two chains of
// doubles, which hides the latency of an addition.
constexpr size_t kStep = 16;
constexpr size_t kChains = 2;

template <int kLocality, class E>
[[gnu::always_inline]] inline void prefetch_step(const E* from) {
#pragma GCC unroll 2
  for (size_t line = 0; line < kStep * sizeof(E); line += 64) {
    __builtin_prefetch(reinterpret_cast<const char*>(from) + KERNELS_PREFETCH_BYTES + line, 0, kLocality);
  }
}

template <class V, class E>
[[gnu::always_inline]] inline V load(const E* from) {
  V vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class V, size_t... kIndices>
[[gnu::always_inline]] inline auto half_of(V vector, bool high, std::index_sequence<kIndices...>) {
  return !high ? __builtin_shufflevector(vector, vector, kIndices...)
               : __builtin_shufflevector(vector, vector, (kIndices + sizeof...(kIndices))...);
}
template <size_t kCount, class V>
[[gnu::always_inline]] inline auto low_half(V vector) {
  return half_of(vector, false, std::make_index_sequence<kCount / 2>());
}
template <size_t kCount, class V>
[[gnu::always_inline]] inline auto high_half(V vector) {
  return half_of(vector, true, std::make_index_sequence<kCount / 2>());
}

// Joins the lanes of a vector pairwise.
template <size_t kCount, class V, class Join>
[[gnu::always_inline]] inline auto fold(V vector, Join join) {
  if constexpr (kCount == 1) {
    return vector[0];
  } else {
    return fold<kCount / 2>(join(low_half<kCount>(vector), high_half<kCount>(vector)), join);
  }
}
constexpr auto kAdd = [](auto a, auto b) __attribute__((always_inline)) { return a + b; };
constexpr auto kOr = [](auto a, auto b) __attribute__((always_inline)) { return a | b; };
constexpr auto kMax = [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; };
constexpr auto kMin = [](auto a, auto b) __attribute__((always_inline)) { return a < b ? a : b; };

template <class T>
[[gnu::always_inline]] inline Bits<T> bits_of(Values<T> values) {
  return (Bits<T>)values;
}

template <class T>
constexpr BitsOf<T> kSignBit = std::numeric_limits<BitsOf<T>>::min();

template <class T>
[[gnu::always_inline]] inline Values<T> magnitude(Values<T> values) {
  return (Values<T>)(bits_of<T>(values) & ~kSignBit<T>);
}

// A label's sign decides the loss. `check` gathers bits that neither +1 nor −1 has; `are_valid` tests them
// once per block.
template <class T, class L>
class Labels;

template <class T>
class Labels<T, T> {
 public:
  [[gnu::always_inline]] static Bits<T> signs(const T* label) { return load<Bits<T>>(label); }
  [[gnu::always_inline]] void check(const T* label) {
#pragma GCC unroll 8
    for (size_t j = 0; j < kStep; j += kLanes<T>) seen_ |= signs(label + j) ^ kOne;
  }
  bool are_valid() const { return (fold<kLanes<T>>(seen_, kOr) & ~kSignBit<T>) == 0; }

 private:
  static constexpr BitsOf<T> kOne = sizeof(T) == 4 ? BitsOf<T>{0x3f800000} : BitsOf<T>(0x3ff0000000000000);
  Bits<T> seen_ = {};
};

template <class T>
class Labels<T, int8_t> {
 public:
  [[gnu::always_inline]] static Bits<T> signs(const int8_t* label) {
    return (Bits<T>)sign_extend<sizeof(T)>(label);
  }
  [[gnu::always_inline]] void check(const int8_t* label) { seen_ |= load<Codes>(label) + 1; }  // 2 or 0
  bool are_valid() const { return (fold<kStep>(seen_, kOr) & ~2) == 0; }

 private:
  using Codes = Vector<uint8_t, kStep>;
  Codes seen_ = {};
};

// max(0, margin − input), and NaN for NaN
template <class T>
[[gnu::always_inline]] inline Values<T> hinge(Values<T> input, Values<T> margin) {
  return (Values<T>)max(Values<T>{}, margin - input);
}

// An array that a kernel reads, and the value that fills up a last, incomplete step.
template <class E>
struct Operand {
  const E* data;
  E padding;
};

template <class E>
struct Padded {
  E values[kStep];
  Padded(Operand<E> from, size_t i, size_t n) {
    for (size_t j = 0; j < kStep; j++) values[j] = from.padding;
    for (size_t j = 0; i + j < n; j++) values[j] = from.data[i + j];
  }
};

// Calls step(i, in…) for the first index i of every step. kLocality is that of __builtin_prefetch.
template <int kLocality = KERNELS_PREFETCH_LOCALITY, class Step, class... E>
[[gnu::always_inline]] inline void for_each_step(size_t n, const Step& step, Operand<E>... in) {
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    (prefetch_step<kLocality>(in.data + i), ...);
    step(i, (in.data + i)...);
  }
  if (i < n) step(i, Padded<E>(in, i, n).values...);
}

// out[n] = compute(input, is_negative, more…), on vectors. Returns true if all labels are ±1.
template <class T, class L, class Compute, class... More>
[[gnu::always_inline]] inline bool map(T* out, const T* input, const L* label, size_t n, bool streamed,
                                       const Compute& compute, Operand<More>... more) {
  const bool is_aligned = reinterpret_cast<uintptr_t>(out) % sizeof(Values<T>) == 0;
  const bool is_streamed = streamed && is_aligned;
  Labels<T, L> labels;
  const auto step = [&](size_t i, const T* x, const L* y, const More*... from)
      __attribute__((always_inline)) {
    const bool is_full = i + kStep <= n;
    T rest[kStep];
    labels.check(y);
#pragma GCC unroll 8
    for (size_t j = 0; j < kStep; j += kLanes<T>) {
      const Bits<T> is_negative = Labels<T, L>::signs(y + j) < 0;
      const Values<T> values = compute(load<Values<T>>(x + j), is_negative, load<Values<T>>(from + j)...);
      if (is_full && is_streamed) {
        stream(out + i + j, values);
      } else {
        __builtin_memcpy((is_full ? out + i : rest) + j, &values, sizeof values);
      }
    }
    if (!is_full) __builtin_memcpy(out + i, rest, (n - i) * sizeof(T));
  };
  for_each_step(n, step, Operand<T>{input, 0}, Operand<L>{label, 1}, more...);
  return labels.are_valid();
}

template <class T, class L>
bool forward(T* out, const T* input, const L* label, size_t n, T margin, bool streamed) {
  const Values<T> margins = Values<T>{} + margin;
  const auto loss = [&](Values<T> x, Bits<T> is_negative) __attribute__((always_inline)) {
    return (is_negative ? hinge<T>(x, margins) : x) + T{0};  // −0 + 0 = +0
  };
  return map(out, input, label, n, streamed, loss);
}

template <class T, class L, bool kOneForAll>
bool backward(T* grad_input, const T* input, const L* label, const T* grad_output, size_t n, T margin,
              bool streamed) {
  const Values<T> margins = Values<T>{} + margin;
  const auto gradient = [&](Values<T> x, Bits<T> is_negative, Values<T> upstream)
      __attribute__((always_inline)) {
    // A hinge that is not positive is 0 or NaN, and its gradient is the same.
    const Values<T> hinges = hinge<T>(x, margins) + T{0};
    return is_negative ? (hinges > 0 ? -upstream : hinges) : upstream;
  };
  if constexpr (kOneForAll) {
    const Values<T> upstream = *grad_output - Values<T>{};  // −0 − 0 = −0
    const auto constant = [&](Values<T> x, Bits<T> is_negative) __attribute__((always_inline)) {
      return gradient(x, is_negative, upstream);
    };
    return map(grad_input, input, label, n, streamed, constant);
  } else {
    return map(grad_input, input, label, n, streamed, gradient, Operand<T>{grad_output, 0});
  }
}

// Sums of doubles with kTerms terms per lane. Each term but the last starts from an anchor so large that no
// sum leaves its binade. Two subtractions then give the rounding error of an addition, which goes to the next
// term.
template <int kTerms>
class LaneSums {
 public:
  explicit LaneSums(const double* anchors) : anchors_(anchors) {
    for (size_t c = 0; c < kChains; c++) {
      for (int k = 0; k < kTerms; k++) terms_[c][k] = Doubles{} + (k < kTerms - 1 ? anchors[k] : 0);
    }
  }
  [[gnu::always_inline]] void add(Doubles values, size_t chain) {
#pragma GCC unroll 4
    for (int k = 0; k < kTerms - 1; k++) {
      const Doubles next = terms_[chain][k] + values;
      values -= next - terms_[chain][k];
      terms_[chain][k] = next;
    }
    terms_[chain][kTerms - 1] += values;
  }
  void store_sums(double* sums) const {
    for (int k = 0; k < kTerms; k++) {
      const double anchor = k < kTerms - 1 ? anchors_[k] : 0;
      Doubles lanes = terms_[0][k] - anchor;
      for (size_t c = 1; c < kChains; c++) lanes += terms_[c][k] - anchor;
      sums[k] = fold<kLanes<double>>(lanes, kAdd);
    }
  }

 private:
  Doubles terms_[kChains][kTerms];
  const double* anchors_;
};

// Adds a vector of any element type to sums of doubles. `index` is the vector's index in the step.
template <class Sums>
[[gnu::always_inline]] inline void add_values(Sums& sums, Values<float> values, size_t) {
  sums.add(widen_low(values), 0);
  sums.add(widen_high(values), 1);
}
template <class Sums>
[[gnu::always_inline]] inline void add_values(Sums& sums, Values<double> values, size_t index) {
  sums.add(values, index % kChains);
}

template <class T, class L, bool kByClass, int kTerms>
bool sum(BlockSums* out, const T* input, const L* label, size_t n, T margin, const double* anchors) {
  const Values<T> margins = Values<T>{} + margin;
  Labels<T, L> labels;
  LaneSums<kTerms> positive_sums(anchors), negative_sums(anchors);
  Values<T> largest = {};
  Values<T> smallest = Values<T>{} + std::numeric_limits<T>::infinity();
  Bits<T> negatives = {}, active = {};

  const auto step = [&](size_t, const T* x, const L* y) __attribute__((always_inline)) {
    labels.check(y);
#pragma GCC unroll 8
    for (size_t j = 0; j < kStep; j += kLanes<T>) {
      const Values<T> values = load<Values<T>>(x + j);
      const Values<T> hinges = hinge<T>(values, margins);
      const Bits<T> is_negative = Labels<T, L>::signs(y + j) < 0;
      const Values<T> losses = is_negative ? hinges : values;
      const Values<T> magnitudes = magnitude<T>(losses);
      largest = max(magnitudes, largest);
      // One unit in the last place down: zero becomes NaN, which min drops.
      const Values<T> lowered = (Values<T>)(bits_of<T>(magnitudes) - 1);
      smallest = min(lowered, smallest);
      if constexpr (kByClass) {
        const Values<T> negative_losses = (Values<T>)(bits_of<T>(hinges) & is_negative);
        add_values(positive_sums, (Values<T>)(bits_of<T>(values) & ~is_negative), j / kLanes<T>);
        add_values(negative_sums, negative_losses, j / kLanes<T>);
        negatives -= is_negative;
        active -= (Bits<T>)(negative_losses > 0);
      } else {
        add_values(positive_sums, losses, j / kLanes<T>);
      }
    }
  };
  for_each_step(n, step, Operand<T>{input, 0}, Operand<L>{label, 1});

  positive_sums.store_sums(out->sums[0]);
  if constexpr (kByClass) negative_sums.store_sums(out->sums[1]);
  out->largest = fold<kLanes<T>>(largest, kMax);
  T low = fold<kLanes<T>>(smallest, kMin);
  if (low < std::numeric_limits<T>::infinity()) {
    BitsOf<T> bits;
    __builtin_memcpy(&bits, &low, sizeof bits);
    bits++;
    __builtin_memcpy(&low, &bits, sizeof bits);
  }
  out->smallest = low;
  out->negatives = static_cast<uint32_t>(fold<kLanes<T>>(negatives, kAdd));
  out->active = static_cast<uint32_t>(fold<kLanes<T>>(active, kAdd));
  return labels.are_valid();
}

template <class Wide, class L>
[[gnu::always_inline]] inline Wide widen(L label) {
  if constexpr (std::is_same_v<L, uint64_t>) {
    constexpr uint64_t kMax = std::numeric_limits<Wide>::max();  // larger than any label of an encoding
    label = label < kMax ? label : kMax;
  }
  return static_cast<Wide>(label);
}

template <class L>
bool encode(int8_t* codes, const L* label, size_t n, int32_t positive, int32_t negative) {
  // A type that holds both: a label that is cut to fewer bits could equal one of the encoding.
  using Wide =
      std::conditional_t<std::is_floating_point_v<L>, L,
                         std::conditional_t<(sizeof(L) < 4 || std::is_same_v<L, int32_t>), int32_t, int64_t>>;
  const Wide positive_label = static_cast<Wide>(positive), negative_label = static_cast<Wide>(negative);
  uint8_t any_other = 0;
  for (size_t i = 0; i < n; i++) {
    const Wide value = widen<Wide>(label[i]);
    const int8_t is_positive = value == positive_label, is_negative = value == negative_label;
    codes[i] = is_positive - is_negative;
    any_other |= is_positive ^ is_negative ^ 1;
  }
  return any_other != 0;
}

template <class T, class L>
constexpr LossKernels<T, L> kLossKernels = {
    forward<T, L>,
    {backward<T, L, false>, backward<T, L, true>},
    {{sum<T, L, false, 1>, sum<T, L, false, 2>, sum<T, L, false, 3>},
     {sum<T, L, true, 1>, sum<T, L, true, 2>, sum<T, L, true, 3>}},
};

#include "distances.inl"

bool is_supported() { return KERNELS_SUPPORTED; }

}  // namespace

extern const Kernels kKernels;
const Kernels kKernels = {
    KERNELS_NAME,
    is_supported,
    {kLossKernels<float, float>, kLossKernels<float, int8_t>, kLossKernels<double, double>,
     kLossKernels<double, int8_t>},
    {encode<float>, encode<double>, encode<int8_t>, encode<uint8_t>, encode<int16_t>, encode<uint16_t>,
     encode<int32_t>, encode<uint32_t>, encode<int64_t>, encode<uint64_t>},
    {kDistanceKernels<float>, kDistanceKernels<double>},
};

}  // namespace hinge_embedding_loss::KERNELS_NAMESPACE
