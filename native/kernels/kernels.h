#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>

namespace hinge_embedding_loss {

// Elements per block: its input and labels are still in the first-level cache if it is summed again.
constexpr size_t kBlock = 2048;
constexpr int kLog2Block = 11;

// The most terms per lane that a sum kernel uses. A block's spread of magnitudes decides how many it needs.
constexpr int kLevels = 3;

// Outputs of this size are streamed past the caches: an ordinary store first reads the line that it
// overwrites.
constexpr size_t kStreamedBytes = size_t{1} << 24;

// What a sum kernel returns for a block. The sums are exact only under the certificate of reduce.cpp.
struct BlockSums {
  double sums[2][kLevels];  // [class][level]: positives, negatives; or all losses in the first
  double largest;           // of |loss|, without NaN
  double smallest;          // of |loss|, without zero and NaN; +infinity if nothing is left
  uint32_t negatives;
  uint32_t active;  // negatives with input < margin
};

// Kernels for one block: out[n] from input[n], label[n], n ≤ kBlock. Labels must be +1 or −1; a kernel
// returns false if one is not, and its output is then useless. If `streamed`, a kernel stores to aligned
// memory past the caches, and other threads see it after finish_streams.
template <class T, class L>
struct LossKernels {
  bool (*forward)(T* out, const T* input, const L* label, size_t n, T margin, bool streamed);
  // [0]: grad_output[n]; [1]: *grad_output for all elements
  bool (*backward[2])(T* grad_input, const T* input, const L* label, const T* grad_output, size_t n, T margin,
                      bool streamed);
  // [by class][levels − 1]. The lanes of a level start from its anchor, 1.5 · 2^k.
  bool (*sum[2][kLevels])(BlockSums* out, const T* input, const L* label, size_t n, T margin,
                          const double* anchors);
};

// Writes codes +1, −1 and, for other labels, 0. Returns true if there are other labels.
template <class L>
using EncodeKernel = bool (*)(int8_t* codes, const L* label, size_t n, int32_t positive, int32_t negative);

// Sums over a row, the elements of two vectors: Σ l·r, Σ l² and Σ r².
struct CosineSums {
  double products, left_squares, right_squares;
};

// Kernels for one row, with d = (l − r) + ε. Sums have 16 lanes, whatever the instruction set. They are not
// finite if an element is NaN or infinite, or if they overflow.
template <class T>
struct DistanceKernels {
  double (*sum_squares)(const T* left, const T* right, size_t width, T epsilon);     // Σ d²
  double (*sum_magnitudes)(const T* left, const T* right, size_t width, T epsilon);  // Σ |d|
  double (*find_largest)(const T* left, const T* right, size_t width, T epsilon);    // max |d|; NaN if one is
  CosineSums (*sum_products)(const T* left, const T* right, size_t width);
  // by_left[i] = ratio · d and by_right[i] = −ratio · d, rounded once from float64. d and ratio are finite.
  void (*scale_differences)(T* by_left, T* by_right, const T* left, const T* right, size_t width, T epsilon,
                            double ratio, bool streamed);
};

struct Kernels {
  std::string_view name;
  bool (*is_supported)();
  std::tuple<LossKernels<float, float>, LossKernels<float, int8_t>, LossKernels<double, double>,
             LossKernels<double, int8_t>>
      losses;
  std::tuple<EncodeKernel<float>, EncodeKernel<double>, EncodeKernel<int8_t>, EncodeKernel<uint8_t>,
             EncodeKernel<int16_t>, EncodeKernel<uint16_t>, EncodeKernel<int32_t>, EncodeKernel<uint32_t>,
             EncodeKernel<int64_t>, EncodeKernel<uint64_t>>
      encoders;
  std::tuple<DistanceKernels<float>, DistanceKernels<double>> distances;

  template <class T, class L>
  const LossKernels<T, L>& loss() const {
    return std::get<LossKernels<T, L>>(losses);
  }
  template <class L>
  EncodeKernel<L> encode() const {
    return std::get<EncodeKernel<L>>(encoders);
  }
  template <class T>
  const DistanceKernels<T>& distance() const {
    return std::get<DistanceKernels<T>>(distances);
  }
};

// The kernels that this CPU can run, preferred first; never empty.
std::span<const Kernels* const> supported_kernels();

// The preferred kernels, until select_kernels names others.
const Kernels& kernels();

// Each thread calls this after its last streamed store.
void finish_streams();

// Returns false if this CPU has no such instruction set.
bool select_kernels(std::string_view name);

}  // namespace hinge_embedding_loss
