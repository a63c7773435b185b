#include "distance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "power.h"

namespace hinge_embedding_loss {

namespace {

// Between these, squares of float64 neither overflow nor lose bits that count, and neither does the product
// of two sums of squares. Sums of float32 are always between them, or 0, or not finite.
constexpr double kLeastSquares = 0x1p-500, kMostSquares = 0x1p500;

bool are_safe_squares(double sum) { return sum >= kLeastSquares && sum <= kMostSquares; }

// The exponent of the power of two by which an extreme row is scaled. Its largest element is then between
// 2^-74 and 2^24.
int scale_exponent(double largest) { return std::clamp(std::ilogb(largest), -1000, 1000); }

// Σ term(i), with the errors of the additions.
template <class Term>
double sum_terms(size_t count, const Term& term) {
  double sum = 0, error = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = term(i), next = sum + value, part = next - sum;
    error += (sum - (next - part)) + (value - part);
    sum = next;
  }
  return sum + error;
}

// Two vectors, and the kernels for them.
template <class T>
struct Row {
  const T* left;
  const T* right;
  size_t width;
  T epsilon;
  const DistanceKernels<T>& kernels = hinge_embedding_loss::kernels().distance<T>();

  double difference(size_t i) const {
    const T difference = left[i] - right[i];
    return static_cast<double>(difference + epsilon);
  }
  double largest() const { return kernels.find_largest(left, right, width, epsilon); }
};

bool is_normal(double value) { return value > 0 && value < std::numeric_limits<double>::infinity(); }

template <class T>
double euclidean(const Row<T>& row) {
  const double sum = row.kernels.sum_squares(row.left, row.right, row.width, row.epsilon);
  if (are_safe_squares(sum)) return std::sqrt(sum);
  const double largest = row.largest();
  if (!is_normal(largest)) return largest;
  const int exponent = scale_exponent(largest);
  const double factor = scale(1, -exponent);
  const double squares = sum_terms(row.width, [&](size_t i) {
    const double d = row.difference(i) * factor;
    return d * d;
  });
  return scale(std::sqrt(squares), exponent);
}

template <class T>
double manhattan(const Row<T>& row) {
  const double sum = row.kernels.sum_magnitudes(row.left, row.right, row.width, row.epsilon);
  if (std::isfinite(sum)) return sum;
  const double largest = row.largest();
  if (!is_normal(largest)) return largest;
  const int exponent = scale_exponent(largest);
  const double factor = scale(1, -exponent);
  return scale(sum_terms(row.width, [&](size_t i) { return std::abs(row.difference(i)) * factor; }),
               exponent);
}

template <class T>
double chebyshev(const Row<T>& row) {
  return row.largest();
}

template <class T>
double minkowski(const Row<T>& row, double p) {
  const double largest = row.largest();
  if (!is_normal(largest)) return largest;
  const double sum = sum_terms(row.width, [&](size_t i) {
    const double ratio = std::abs(row.difference(i)) / largest;
    return ratio == 0 ? 0 : power(ratio, p);
  });
  const Scaled norm = root(sum, p);
  int exponent;
  const double fraction = std::frexp(largest, &exponent) * norm.fraction;
  return scale(fraction, exponent + norm.exponent);
}

double cosine_of(const CosineSums& sums, double epsilon) {
  const double norms = std::max(std::sqrt(sums.left_squares * sums.right_squares), epsilon);
  return norms == 0 ? 0 : std::clamp(sums.products / norms, -1.0, 1.0);
}

template <class T>
double find_magnitude(const T* values, size_t width) {
  double largest = 0;
  for (size_t i = 0; i < width; i++) {
    const double magnitude = std::abs(static_cast<double>(values[i]));
    if (!(magnitude <= largest)) largest = magnitude;
    if (std::isnan(magnitude)) break;
  }
  return largest;
}

template <class T>
double cosine(const Row<T>& row, double epsilon) {
  const CosineSums sums = row.kernels.sum_products(row.left, row.right, row.width);
  const bool are_safe = are_safe_squares(sums.left_squares) && are_safe_squares(sums.right_squares);
  if (are_safe) return 1 - cosine_of(sums, epsilon);
  const double left_largest = find_magnitude(row.left, row.width);
  const double right_largest = find_magnitude(row.right, row.width);
  if (!std::isfinite(left_largest) || !std::isfinite(right_largest)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (left_largest == 0 || right_largest == 0) return 1;
  const int left_exponent = scale_exponent(left_largest), right_exponent = scale_exponent(right_largest);
  const double left_factor = scale(1, -left_exponent), right_factor = scale(1, -right_exponent);
  const auto l = [&](size_t i) { return row.left[i] * left_factor; };
  const auto r = [&](size_t i) { return row.right[i] * right_factor; };
  const CosineSums scaled = {sum_terms(row.width, [&](size_t i) { return l(i) * r(i); }),
                             sum_terms(row.width, [&](size_t i) { return l(i) * l(i); }),
                             sum_terms(row.width, [&](size_t i) { return r(i) * r(i); })};
  return 1 - cosine_of(scaled, std::ldexp(epsilon, -left_exponent - right_exponent));
}

}  // namespace

Distance Distance::of_power(double p, double epsilon) {
  if (p == 1) return {DistanceKind::kManhattan, p, epsilon};
  if (p == 2) return {DistanceKind::kEuclidean, p, epsilon};
  return {std::isinf(p) ? DistanceKind::kChebyshev : DistanceKind::kMinkowski, p, epsilon};
}

template <class T>
T distance(const Distance& distance, const T* left, const T* right, size_t width) {
  const Row<T> row{left, right, width, static_cast<T>(distance.epsilon)};
  const auto compute = [&] {
    switch (distance.kind) {
      case DistanceKind::kEuclidean:
        return euclidean(row);
      case DistanceKind::kManhattan:
        return manhattan(row);
      case DistanceKind::kChebyshev:
        return chebyshev(row);
      case DistanceKind::kMinkowski:
        return minkowski(row, distance.p);
      case DistanceKind::kCosine:
        return cosine(row, distance.epsilon);
    }
    return std::numeric_limits<double>::quiet_NaN();
  };
  const double value = compute();
  return std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(value);
}

template float distance(const Distance&, const float*, const float*, size_t);
template double distance(const Distance&, const double*, const double*, size_t);

}  // namespace hinge_embedding_loss
