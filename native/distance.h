#pragma once

#include <cstddef>
#include <vector>

// The distance of two vectors l and r of one width, with d = (l − r) + ε in their dtype:
//
//     euclidean    √(Σ d²)            as paddle.nn.PairwiseDistance with p = 2
//     manhattan    Σ |d|              p = 1
//     chebyshev    max |d|            p = ∞
//     minkowski    (Σ |d|^p)^(1/p)    any other p > 0
//     cosine       1 − (Σ l·r) / max(√(Σ l² · Σ r²), ε), as paddle.nn.functional.cosine_similarity
//
// and its gradients by l and r. docs/numerics.md says in which order sums are computed, and bounds the error.
// The results depend on nothing but the arguments: not on the instruction set, the platform or its C library.
namespace hinge_embedding_loss {

enum class DistanceKind { kEuclidean, kManhattan, kChebyshev, kMinkowski, kCosine };
constexpr int kDistanceKinds = 5;

struct Distance {
  DistanceKind kind = DistanceKind::kEuclidean;
  double p = 2;  // of minkowski
  double epsilon = 1e-6;

  // The distance for any p > 0, also 1, 2 and infinity.
  static Distance of_power(double p, double epsilon);
};

// Rounded to T once, from float64. NaN if an element is NaN. The caller has set the default floating-point
// environment.
template <class T>
T distance(const Distance& distance, const T* left, const T* right, size_t width);

// One side of pairs: rows of one width in C order.
template <class T>
struct Side {
  const T* rows;
  bool is_shared;  // one row is that of all pairs
};

template <class T>
struct Pairs {
  Side<T> left, right;
  size_t count, width;
  Distance distance;

  // The pairs [begin, begin + n).
  Pairs from(size_t begin, size_t n) const;
  // Pairs that are about as much work as kRange elements of a loss.
  size_t step() const;
};

// out[end − begin]: the distances of the pairs from `begin` on.
template <class T>
void compute_distances(T* out, const Pairs<T>& pairs, size_t begin, size_t end);

// The same, on several threads if there are many.
template <class T>
void compute_distances_in_parallel(T* out, const Pairs<T>& pairs, size_t begin, size_t end);

// The gradients by both sides, for an upstream gradient g of each pair:
//
//     euclidean    ± g · d / distance, and 0 where the distance is 0
//     manhattan    ± g · sign(d)
//     chebyshev    ± g · sign(d) where |d| is the distance, else 0
//     minkowski    ± g · sign(d) · (|d| / distance)^(p − 1), and 0 where d is 0
//     cosine       by l: g · (cos · l / Σ l² − r / √(Σ l² · Σ r²)), or −g · r / ε where ε is larger than the
//     root;
//                  by r likewise
//
// in float64, rounded once; + for the left side, − for the right one. They are 0 where g is 0, and else all
// NaN if the distance is NaN. A shared row has the sum over all pairs, in an order that no number of threads
// changes.
template <class T>
class DistanceGradients {
 public:
  // Memory like the two sides, apart from both. Throws bad_alloc.
  DistanceGradients(const Pairs<T>& pairs, T* left, T* right);

  // Threads take ranges of so many pairs, and write each in order.
  size_t step() const;
  // So many pairs fit the first-level cache.
  size_t block() const;
  // The pairs [begin, end): the first one's upstream gradient is *upstream, the next one's upstream[stride].
  void write(size_t begin, size_t end, const T* upstream, size_t stride);
  // Each thread calls this after its last write.
  void finish_writes() const;
  // After all pairs are written.
  void finish();

 private:
  struct Output {
    T* rows;
    std::vector<double> sums;  // of a shared row: one for each group of pairs
  };

  const Pairs<T>& pairs_;
  const bool is_streamed_;
  Output left_, right_;
};

// All gradients of pairs, with one upstream gradient each, or one for all if the stride is 0.
template <class T>
void differentiate_distances(T* left, T* right, const Pairs<T>& pairs, const T* upstream, size_t stride);

}  // namespace hinge_embedding_loss
