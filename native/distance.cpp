#include "distance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "parallel.h"
#include "power.h"
#include "small_sum.h"

namespace hinge_embedding_loss {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Between these, squares of float64 neither overflow nor lose bits that count, and neither does the product
// of two sums of squares. Sums of float32 are always between them, or 0, or not finite.
bool are_safe_squares(double sum) { return sum >= 0x1p-500 && sum <= 0x1p500; }

// The exponent of the power of two by which an extreme row is divided. Its largest element is then between
// 2^-74 and 2^24.
int scale_exponent(double largest) { return std::clamp(std::ilogb(largest), -1000, 1000); }

// Every NaN becomes the same one, and −0 becomes +0.
template <class T>
T round_to(double value) {
  const T rounded = static_cast<T>(value) + T{0};
  return rounded == rounded ? rounded : std::numeric_limits<T>::quiet_NaN();
}

// Σ term(i), with the errors of the additions.
template <class Term>
double sum_terms(size_t count, const Term& term) {
  double sum = 0, errors = 0;
  for (size_t i = 0; i < count; i++) {
    double error;
    sum = two_sum(sum, term(i), error);
    errors += error;
  }
  return sum + errors;
}

template <class T>
struct Row {
  const T* left;
  const T* right;
  size_t width;
  T epsilon;
  const DistanceKernels<T>& kernels;

  Row(const Distance& distance, const T* l, const T* r, size_t n)
      : left(l),
        right(r),
        width(n),
        epsilon(static_cast<T>(distance.epsilon)),
        kernels(hinge_embedding_loss::kernels().distance<T>()) {}

  double difference(size_t i) const {
    const T difference = left[i] - right[i];
    return static_cast<double>(difference + epsilon);
  }
  double largest() const { return kernels.find_largest(left, right, width, epsilon); }
};

// The distance of a row whose sum is 0, not finite, or may have lost bits: sum(factor), with elements that
// are multiplied by `factor`, is right.
template <class T, class Sum>
Scaled measure_extreme(const Row<T>& row, const Sum& sum) {
  const double largest = row.largest();
  if (!(largest > 0 && largest < kInfinity)) return {largest, 0};
  const int exponent = scale_exponent(largest);
  return {sum(scale({1, -exponent})), exponent};
}

template <class T>
Scaled measure_euclidean(const Row<T>& row) {
  const double sum = row.kernels.sum_squares(row.left, row.right, row.width, row.epsilon);
  if (are_safe_squares(sum)) return {std::sqrt(sum), 0};
  return measure_extreme(row, [&](double factor) {
    return std::sqrt(sum_terms(row.width, [&](size_t i) {
      const double d = row.difference(i) * factor;
      return d * d;
    }));
  });
}

template <class T>
Scaled measure_manhattan(const Row<T>& row) {
  const double sum = row.kernels.sum_magnitudes(row.left, row.right, row.width, row.epsilon);
  if (std::isfinite(sum)) return {sum, 0};
  return measure_extreme(row, [&](double factor) {
    return sum_terms(row.width, [&](size_t i) { return std::abs(row.difference(i)) * factor; });
  });
}

// The norm of a row is largest · root, where root = (Σ (|d| / largest)^p)^(1/p).
struct Minkowski {
  double largest;  // 0, infinite or NaN without the others
  double sum = 1;
  Scaled root = {1, 0};

  bool is_regular() const { return largest > 0 && largest < kInfinity; }
};

template <class T>
Minkowski sum_powers(const Row<T>& row, double p) {
  Minkowski norm{row.largest()};
  if (!norm.is_regular()) return norm;
  norm.sum = sum_terms(row.width, [&](size_t i) {
    const double ratio = std::abs(row.difference(i)) / norm.largest;
    return ratio > 0 ? scale(power(ratio, p)) : 0;
  });
  norm.root = root(norm.sum, p);
  return norm;
}

template <class T>
Scaled measure_minkowski(const Row<T>& row, double p) {
  const Minkowski norm = sum_powers(row, p);
  return norm.is_regular() ? split_exponent(norm.largest) * norm.root : Scaled{norm.largest, 0};
}

// The distance by one of the powers p, as fraction · 2^exponent.
template <class T>
Scaled measure_power(const Distance& distance, const Row<T>& row) {
  switch (distance.kind) {
    case DistanceKind::kEuclidean:
      return measure_euclidean(row);
    case DistanceKind::kManhattan:
      return measure_manhattan(row);
    case DistanceKind::kChebyshev:
      return {row.largest(), 0};
    default:
      return measure_minkowski(row, distance.p);
  }
}

// What the cosine distance of a row and its gradients are computed from. The sums, and `norms`, √(Σ l² · Σ
// r²), are of left / 2^left_exponent and right / 2^right_exponent.
struct Cosine {
  CosineSums sums;
  double norms;
  double similarity;
  bool is_clipped;  // ε is larger than the norms, or both are 0
  int left_exponent = 0, right_exponent = 0;

  Cosine(const CosineSums& all, double epsilon)
      : sums(all), norms(std::sqrt(all.left_squares * all.right_squares)) {
    is_clipped = norms < epsilon || norms == 0;
    const double divisor = std::max(norms, epsilon);
    similarity = divisor == 0 ? 0 : std::clamp(sums.products / divisor, -1.0, 1.0);
  }
};

template <class T>
double find_magnitude(const T* values, size_t width) {
  double largest = 0;
  for (size_t i = 0; i < width; i++) {
    const double magnitude = std::abs(static_cast<double>(values[i]));
    if (std::isnan(magnitude)) return magnitude;
    largest = std::max(largest, magnitude);
  }
  return largest;
}

template <class T>
Cosine measure_cosine(const Distance& distance, const Row<T>& row) {
  const CosineSums sums = row.kernels.sum_products(row.left, row.right, row.width);
  if (are_safe_squares(sums.left_squares) && are_safe_squares(sums.right_squares)) {
    return {sums, distance.epsilon};
  }
  const double left_largest = find_magnitude(row.left, row.width);
  const double right_largest = find_magnitude(row.right, row.width);
  if (!std::isfinite(left_largest) || !std::isfinite(right_largest)) return {{kNaN, kNaN, kNaN}, 0};
  if (left_largest == 0 || right_largest == 0) return {{0, 0, 0}, distance.epsilon};
  const int left_exponent = scale_exponent(left_largest), right_exponent = scale_exponent(right_largest);
  const double left_factor = scale({1, -left_exponent}), right_factor = scale({1, -right_exponent});
  const auto l = [&](size_t i) { return static_cast<double>(row.left[i]) * left_factor; };
  const auto r = [&](size_t i) { return static_cast<double>(row.right[i]) * right_factor; };
  const CosineSums scaled = {sum_terms(row.width, [&](size_t i) { return l(i) * r(i); }),
                             sum_terms(row.width, [&](size_t i) { return l(i) * l(i); }),
                             sum_terms(row.width, [&](size_t i) { return r(i) * r(i); })};
  Cosine cosine(scaled, std::ldexp(distance.epsilon, -left_exponent - right_exponent));
  cosine.left_exponent = left_exponent;
  cosine.right_exponent = right_exponent;
  return cosine;
}

template <class T>
double measure(const Distance& distance, const Row<T>& row) {
  if (distance.kind == DistanceKind::kCosine) return 1 - measure_cosine(distance, row).similarity;
  return scale(measure_power(distance, row));
}

// The gradients of an element by both sides.
struct ElementGradients {
  double left, right;
};

// True if a ratio neither overflowed nor lost bits.
bool is_plain_ratio(double ratio) { return std::abs(ratio) >= 0x1p-1000 && std::abs(ratio) <= 0x1p1000; }

// Writes the gradients of a euclidean distance by both sides. Returns false, and writes nothing, for an
// extreme row.
template <class T>
bool scale_differences(T* by_left, T* by_right, const Row<T>& row, double upstream, bool streamed) {
  const Scaled norm = measure_euclidean(row);
  const double ratio = upstream / norm.fraction;
  if (norm.exponent != 0 || !is_plain_ratio(ratio)) return false;
  row.kernels.scale_differences(by_left, by_right, row.left, row.right, row.width, row.epsilon, ratio,
                                streamed);
  return true;
}

// Calls use(gradients): gradients(i) returns those of element i.
template <class T, class Use>
void with_power_gradients(const Distance& distance, const Row<T>& row, double upstream, const Use& use) {
  const auto use_left = [&](const auto& left) {
    use([&](size_t i) {
      const double gradient = left(row.difference(i));
      return ElementGradients{gradient, -gradient};
    });
  };
  const auto sign = [](double d) { return static_cast<double>(d > 0) - static_cast<double>(d < 0); };

  if (distance.kind == DistanceKind::kMinkowski) {
    // (|d| / norm)^(p − 1) = (|d| / largest)^(p − 1) · root / sum, where no rounding of a norm is raised to
    // p.
    const Minkowski norm = sum_powers(row, distance.p);
    if (std::isnan(norm.largest)) return use_left([](double) { return kNaN; });
    if (norm.largest == 0) return use_left([](double) { return 0.0; });
    if (!norm.is_regular()) return use_left([](double d) { return std::isfinite(d) ? 0 : kNaN; });
    const Scaled factor = split_exponent(upstream) * norm.root / split_exponent(norm.sum);
    return use_left([&](double d) {
      const double ratio = std::abs(d) / norm.largest;
      return ratio > 0 ? scale(factor * power(ratio, distance.p - 1)) * sign(d) : 0;
    });
  }

  const Scaled norm = measure_power(distance, row);
  if (std::isnan(norm.fraction)) return use_left([](double) { return kNaN; });
  if (norm.fraction == 0) return use_left([](double) { return 0.0; });
  switch (distance.kind) {
    case DistanceKind::kManhattan:
      return use_left([&](double d) { return upstream * sign(d); });
    case DistanceKind::kChebyshev:
      return use_left([&](double d) { return upstream * (std::abs(d) == norm.fraction ? sign(d) : 0); });
    default: {
      const double ratio = upstream / norm.fraction;
      if (norm.exponent == 0 && is_plain_ratio(ratio)) return use_left([&](double d) { return ratio * d; });
      const Scaled scaled =
          split_exponent(upstream) / (split_exponent(norm.fraction) * Scaled{1, norm.exponent});
      return use_left([&](double d) { return scale(scaled * split_exponent(d)); });
    }
  }
}

template <class T, class Use>
void with_cosine_gradients(const Distance& distance, const Row<T>& row, double upstream, const Use& use) {
  const Cosine cosine = measure_cosine(distance, row);
  const auto& [sums, norms, similarity, is_clipped, left_exponent, right_exponent] = cosine;
  if (std::isnan(similarity)) return use([](size_t) { return ElementGradients{kNaN, kNaN}; });
  if (is_clipped && distance.epsilon == 0) return use([](size_t) { return ElementGradients{0, 0}; });
  const auto l = [&](size_t i) { return static_cast<double>(row.left[i]); };
  const auto r = [&](size_t i) { return static_cast<double>(row.right[i]); };
  if (is_clipped) {
    const Scaled factor = split_exponent(-upstream) / split_exponent(distance.epsilon);
    return use([&](size_t i) {
      return ElementGradients{scale(factor * split_exponent(r(i))), scale(factor * split_exponent(l(i)))};
    });
  }
  const double of_left = similarity / sums.left_squares, of_right = similarity / sums.right_squares;
  const double of_other = 1 / norms;
  if (left_exponent == 0 && right_exponent == 0) {
    return use([&](size_t i) {
      return ElementGradients{upstream * (of_left * l(i) - of_other * r(i)),
                              upstream * (of_right * r(i) - of_other * l(i))};
    });
  }
  const double left_factor = scale({1, -left_exponent}), right_factor = scale({1, -right_exponent});
  const Scaled by_left = split_exponent(upstream) * Scaled{1, -left_exponent};
  const Scaled by_right = split_exponent(upstream) * Scaled{1, -right_exponent};
  use([&](size_t i) {
    const double left = l(i) * left_factor, right = r(i) * right_factor;
    return ElementGradients{scale(by_left * split_exponent(of_left * left - of_other * right)),
                            scale(by_right * split_exponent(of_right * right - of_other * left))};
  });
}

// Pairs whose gradients by a shared row are summed together.
constexpr size_t kGroup = 256;

// Elements whose gradients are in the first-level cache.
constexpr size_t kTile = 256;

template <class T>
const T* row_at(const Side<T>& side, size_t pair, size_t width) {
  return side.is_shared ? side.rows : side.rows + pair * width;
}

}  // namespace

Distance Distance::of_power(double p, double epsilon) {
  if (p == 1) return {DistanceKind::kManhattan, p, epsilon};
  if (p == 2) return {DistanceKind::kEuclidean, p, epsilon};
  return {std::isinf(p) ? DistanceKind::kChebyshev : DistanceKind::kMinkowski, p, epsilon};
}

template <class T>
T distance(const Distance& distance, const T* left, const T* right, size_t width) {
  return round_to<T>(measure(distance, Row<T>(distance, left, right, width)));
}

template <class T>
Pairs<T> Pairs<T>::from(size_t begin, size_t n) const {
  return {{row_at(left, begin, width), left.is_shared},
          {row_at(right, begin, width), right.is_shared},
          n,
          width,
          distance};
}

template <class T>
size_t Pairs<T>::step() const {
  return std::max<size_t>(1, kRange / std::max<size_t>(1, width));
}

template <class T>
void compute_distances(T* out, const Pairs<T>& pairs, size_t begin, size_t end) {
  for (size_t pair = begin; pair < end; pair++) {
    out[pair - begin] = distance(pairs.distance, row_at(pairs.left, pair, pairs.width),
                                 row_at(pairs.right, pair, pairs.width), pairs.width);
  }
}

template <class T>
void compute_distances_in_parallel(T* out, const Pairs<T>& pairs, size_t begin, size_t end) {
  const auto compute = [&](Ranges& ranges) {
    for (size_t from, to; ranges.next(from, to);) {
      compute_distances(out + from, pairs, begin + from, begin + to);
    }
  };
  parallel_for(end - begin, compute, pairs.step());
}

template <class T>
DistanceGradients<T>::DistanceGradients(const Pairs<T>& pairs, T* left, T* right)
    : pairs_(pairs),
      is_streamed_(pairs.count * pairs.width * sizeof(T) >= kStreamedBytes),
      left_{left, {}},
      right_{right, {}} {
  const size_t groups = (pairs.count + kGroup - 1) / kGroup;
  if (pairs.left.is_shared) left_.sums.resize(groups * pairs.width);
  if (pairs.right.is_shared) right_.sums.resize(groups * pairs.width);
}

template <class T>
size_t DistanceGradients<T>::step() const {
  const bool has_sums = pairs_.left.is_shared || pairs_.right.is_shared;
  const size_t step = pairs_.step();
  return has_sums ? (step + kGroup - 1) / kGroup * kGroup : step;
}

template <class T>
size_t DistanceGradients<T>::block() const {
  constexpr size_t kCachedBytes = size_t{1} << 14;
  return std::max<size_t>(1, kCachedBytes / (2 * sizeof(T) * std::max<size_t>(1, pairs_.width)));
}

template <class T>
void DistanceGradients<T>::write(size_t begin, size_t end, const T* upstream, size_t stride) {
  const Side<T>&left = pairs_.left, &right = pairs_.right;
  const size_t width = pairs_.width;
  const Distance& distance = pairs_.distance;
  const bool has_sums = left.is_shared || right.is_shared;
  for (size_t pair = begin; pair < end; pair++, upstream += stride) {
    const double g = static_cast<double>(*upstream);
    if (g == 0) {
      if (!left.is_shared) std::fill_n(left_.rows + pair * width, width, T{0});
      if (!right.is_shared) std::fill_n(right_.rows + pair * width, width, T{0});
      continue;
    }
    const Row<T> row(distance, row_at(left, pair, width), row_at(right, pair, width), width);
    if (distance.kind == DistanceKind::kEuclidean && !has_sums &&
        scale_differences(left_.rows + pair * width, right_.rows + pair * width, row, g, is_streamed_)) {
      continue;
    }
    const auto store = [&](Output& output, bool is_shared, size_t from, const double* values, size_t n) {
      if (is_shared) {
        double* sums = &output.sums[pair / kGroup * width + from];
        for (size_t i = 0; i < n; i++) sums[i] += values[i];
      } else {
        T* rows = output.rows + pair * width + from;
        for (size_t i = 0; i < n; i++) rows[i] = round_to<T>(values[i]);
      }
    };
    const auto write_row = [&](const auto& gradients) {
      for (size_t from = 0; from < width; from += kTile) {
        double by_left[kTile], by_right[kTile];
        const size_t n = std::min(kTile, width - from);
        for (size_t i = 0; i < n; i++) {
          const ElementGradients each = gradients(from + i);
          by_left[i] = each.left;
          by_right[i] = each.right;
        }
        store(left_, left.is_shared, from, by_left, n);
        store(right_, right.is_shared, from, by_right, n);
      }
    };
    if (distance.kind == DistanceKind::kCosine) {
      with_cosine_gradients(distance, row, g, write_row);
    } else {
      with_power_gradients(distance, row, g, write_row);
    }
  }
}

template <class T>
void DistanceGradients<T>::finish_writes() const {
  if (is_streamed_) finish_streams();
}

template <class T>
void DistanceGradients<T>::finish() {
  const size_t width = pairs_.width;
  const auto round_sums = [&](const Output& output) {
    for (size_t i = 0; i < width; i++) {
      double sum = 0;
      for (size_t at = i; at < output.sums.size(); at += width) sum += output.sums[at];
      output.rows[i] = round_to<T>(sum);
    }
  };
  if (pairs_.left.is_shared) round_sums(left_);
  if (pairs_.right.is_shared) round_sums(right_);
}

template <class T>
void differentiate_distances(T* left, T* right, const Pairs<T>& pairs, const T* upstream, size_t stride) {
  DistanceGradients<T> gradients(pairs, left, right);
  const auto write = [&](Ranges& ranges) {
    for (size_t begin, end; ranges.next(begin, end);) {
      gradients.write(begin, end, upstream + begin * stride, stride);
    }
    gradients.finish_writes();
  };
  parallel_for(pairs.count, write, gradients.step());
  gradients.finish();
}

template float distance(const Distance&, const float*, const float*, size_t);
template double distance(const Distance&, const double*, const double*, size_t);
template struct Pairs<float>;
template struct Pairs<double>;
template void compute_distances(float*, const Pairs<float>&, size_t, size_t);
template void compute_distances(double*, const Pairs<double>&, size_t, size_t);
template void compute_distances_in_parallel(float*, const Pairs<float>&, size_t, size_t);
template void compute_distances_in_parallel(double*, const Pairs<double>&, size_t, size_t);
template class DistanceGradients<float>;
template class DistanceGradients<double>;
template void differentiate_distances(float*, float*, const Pairs<float>&, const float*, size_t);
template void differentiate_distances(double*, double*, const Pairs<double>&, const double*, size_t);

}  // namespace hinge_embedding_loss
