// Kernels over one row, the elements of two vectors. kernels.inl includes this in its namespace.

// The 16 lanes of a row's sum, as vectors of doubles: element i goes to lane i mod 16.
constexpr size_t kLaneVectors = kStep / kLanes<double>;

// Calls use(doubles, k) for a vector that begins at element j of a step; k is the place among kLaneVectors.
template <class Use>
[[gnu::always_inline]] inline void use_doubles(Values<float> values, size_t j, const Use& use) {
  use(widen_low(values), j / kLanes<double>);
  use(widen_high(values), j / kLanes<double> + 1);
}
template <class Use>
[[gnu::always_inline]] inline void use_doubles(Values<double> values, size_t j, const Use& use) {
  use(values, j / kLanes<double>);
}

template <class V>
struct TwoSum {
  V sum, error;
  [[gnu::always_inline]] TwoSum(V a, V b) {
    sum = a + b;
    const V part = sum - a;
    error = (a - (sum - part)) + (b - part);
  }
};

// Adds lane j + 8 to lane j, then j + 4, j + 2 and j + 1, and the errors at the end.
template <size_t kCount, class V>
[[gnu::always_inline]] inline double fold_compensated(V sums, V errors) {
  if constexpr (kCount == 1) {
    return sums[0] + errors[0];
  } else {
    const TwoSum halves(low_half<kCount>(sums), high_half<kCount>(sums));
    return fold_compensated<kCount / 2>(
        halves.sum, (low_half<kCount>(errors) + high_half<kCount>(errors)) + halves.error);
  }
}

// The sum of one row, of values of type T. Products of float32 are exact in float64, and plain sums of them
// are exact enough; sums for float64 keep the errors of their additions.
template <class T>
class RowSum {
 public:
  [[gnu::always_inline]] void add(Doubles values, size_t k) { sums_[k] += values; }
  // Products are exact: rounded or not, the sum has the same bits.
  [[gnu::always_inline]] void add_products(Doubles a, Doubles b, size_t k) {
    sums_[k] = multiply_add(a, b, sums_[k]);
  }
  [[gnu::always_inline]] double total() {
    fold_vectors<kLaneVectors / 2>();
    return fold<kLanes<double>>(sums_[0], kAdd);
  }

 private:
  template <size_t kHalf>
  [[gnu::always_inline]] void fold_vectors() {
    if constexpr (kHalf > 0) {
#pragma GCC unroll 4
      for (size_t k = 0; k < kHalf; k++) sums_[k] += sums_[k + kHalf];
      fold_vectors<kHalf / 2>();
    }
  }

  Doubles sums_[kLaneVectors] = {};
};

template <>
class RowSum<double> {
 public:
  [[gnu::always_inline]] void add(Doubles values, size_t k) {
    const TwoSum next(sums_[k], values);
    sums_[k] = next.sum;
    errors_[k] += next.error;
  }
  [[gnu::always_inline]] void add_products(Doubles a, Doubles b, size_t k) { add(a * b, k); }
  [[gnu::always_inline]] double total() {
    fold_vectors<kLaneVectors / 2>();
    return fold_compensated<kLanes<double>>(sums_[0], errors_[0]);
  }

 private:
  template <size_t kHalf>
  [[gnu::always_inline]] void fold_vectors() {
    if constexpr (kHalf > 0) {
#pragma GCC unroll 4
      for (size_t k = 0; k < kHalf; k++) {
        const TwoSum both(sums_[k], sums_[k + kHalf]);
        sums_[k] = both.sum;
        errors_[k] = (errors_[k] + errors_[k + kHalf]) + both.error;
      }
      fold_vectors<kHalf / 2>();
    }
  }

  Doubles sums_[kLaneVectors] = {}, errors_[kLaneVectors] = {};
};

// Calls use(j, left, right) for each vector of both rows.
template <class T, class Use>
[[gnu::always_inline]] inline void for_each_vector(const T* left, const T* right, size_t width,
                                                   T right_padding, const Use& use) {
  const auto step = [&](size_t, const T* l, const T* r) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (size_t j = 0; j < kStep; j += kLanes<T>) use(j, load<Values<T>>(l + j), load<Values<T>>(r + j));
  };
  constexpr int kLocality = 3;  // gradients read a row again
  for_each_step<kLocality>(width, step, Operand<T>{left, 0}, Operand<T>{right, right_padding});
}

// Calls use(j, d) for each vector of differences d. Those of the padding, (0 − ε) + ε, are 0.
template <class T, class Use>
[[gnu::always_inline]] inline void for_each_difference(const T* left, const T* right, size_t width, T epsilon,
                                                       const Use& use) {
  for_each_vector(
      left, right, width, epsilon, [&](size_t j, Values<T> l, Values<T> r) __attribute__((always_inline)) {
        use(j, (l - r) + epsilon);
      });
}

template <class T>
double sum_squares(const T* left, const T* right, size_t width, T epsilon) {
  RowSum<T> sum;
  for_each_difference(
      left, right, width, epsilon, [&](size_t j, Values<T> d) __attribute__((always_inline)) {
        use_doubles(
            d, j, [&](Doubles wide, size_t k) __attribute__((always_inline)) {
              sum.add_products(wide, wide, k);
            });
      });
  return sum.total();
}

template <class T>
double sum_magnitudes(const T* left, const T* right, size_t width, T epsilon) {
  RowSum<T> sum;
  for_each_difference(
      left, right, width, epsilon, [&](size_t j, Values<T> d) __attribute__((always_inline)) {
        use_doubles(
            magnitude<T>(d),
            j, [&](Doubles wide, size_t k) __attribute__((always_inline)) { sum.add(wide, k); });
      });
  return sum.total();
}

template <class T>
double find_largest(const T* left, const T* right, size_t width, T epsilon) {
  Values<T> largest = {};
  Bits<T> nans = {};
  for_each_difference(
      left, right, width, epsilon, [&](size_t, Values<T> d) __attribute__((always_inline)) {
        largest = max(magnitude<T>(d), largest);
        nans |= (Bits<T>)(d != d);
      });
  const bool has_nan = fold<kLanes<T>>(nans, kOr) != 0;
  return has_nan ? std::numeric_limits<double>::quiet_NaN() : fold<kLanes<T>>(largest, kMax);
}

template <class T>
CosineSums sum_products(const T* left, const T* right, size_t width) {
  RowSum<T> products, left_squares, right_squares;
  for_each_vector<T>(
      left, right, width, 0, [&](size_t j, Values<T> l, Values<T> r) __attribute__((always_inline)) {
        Doubles wide[kLaneVectors];
        use_doubles(
            l, j, [&](Doubles each, size_t k) __attribute__((always_inline)) {
              wide[k] = each;
              left_squares.add_products(each, each, k);
            });
        use_doubles(
            r, j, [&](Doubles each, size_t k) __attribute__((always_inline)) {
              products.add_products(wide[k], each, k);
              right_squares.add_products(each, each, k);
            });
      });
  return {products.total(), left_squares.total(), right_squares.total()};
}

template <size_t... kIndices>
[[gnu::always_inline]] inline Values<float> narrow(Doubles low, Doubles high,
                                                   std::index_sequence<kIndices...>) {
  using Half = Vector<float, kLanes<double>>;
  return __builtin_shufflevector(__builtin_convertvector(low, Half), __builtin_convertvector(high, Half),
                                 kIndices...);
}

// ratio · values, rounded once.
[[gnu::always_inline]] inline Values<float> scale(Values<float> values, Doubles ratio) {
  return narrow(widen_low(values) * ratio, widen_high(values) * ratio,
                std::make_index_sequence<kLanes<float>>());
}
[[gnu::always_inline]] inline Values<double> scale(Values<double> values, Doubles ratio) {
  return values * ratio;
}

template <class T>
void scale_differences(T* by_left, T* by_right, const T* left, const T* right, size_t width, T epsilon,
                       double ratio, bool streamed) {
  const Doubles ratios = Doubles{} + ratio;
  const auto is_aligned = [](T* out) { return reinterpret_cast<uintptr_t>(out) % sizeof(Values<T>) == 0; };
  const bool is_streamed = streamed && is_aligned(by_left) && is_aligned(by_right);
  const auto step = [&](size_t i, const T* l, const T* r) __attribute__((always_inline)) {
    const bool is_full = i + kStep <= width;
    T left_rest[kStep], right_rest[kStep];
    T* to_left = is_full ? by_left + i : left_rest;
    T* to_right = is_full ? by_right + i : right_rest;
#pragma GCC unroll 8
    for (size_t j = 0; j < kStep; j += kLanes<T>) {
      const Values<T> d = (load<Values<T>>(l + j) - load<Values<T>>(r + j)) + epsilon;
      const Values<T> gradients = scale(d, ratios) + T{0};  // −0 + 0 = +0
      const Values<T> negated = T{0} - gradients;
      if (is_full && is_streamed) {
        stream(to_left + j, gradients);
        stream(to_right + j, negated);
      } else {
        __builtin_memcpy(to_left + j, &gradients, sizeof gradients);
        __builtin_memcpy(to_right + j, &negated, sizeof negated);
      }
    }
    if (!is_full) {
      __builtin_memcpy(by_left + i, left_rest, (width - i) * sizeof(T));
      __builtin_memcpy(by_right + i, right_rest, (width - i) * sizeof(T));
    }
  };
  for_each_step(width, step, Operand<T>{left, 0}, Operand<T>{right, epsilon});
}

template <class T>
constexpr DistanceKernels<T> kDistanceKernels = {sum_squares<T>, sum_magnitudes<T>, find_largest<T>,
                                                 sum_products<T>, scale_differences<T>};
