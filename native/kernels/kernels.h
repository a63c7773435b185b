#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>

namespace hinge_embedding_loss {

// Elements a block: its input and labels stay in the first-level cache should it have to be summed again.
constexpr size_t kBlock = 2048;
constexpr int kLog2Block = 11;

// Terms per lane that the kernels sum with: a block's spread of magnitudes decides how many it needs.
constexpr int kLevels = 3;

// What a kernel found in a block. The sums are exact only under the certificate of reduce.cpp.
struct BlockSums {
  double sums[2][kLevels];  // [class][level]: positives then negatives; or all under the first
  double largest;           // of |loss|; NaN left out
  double smallest;          // of |loss|, zero and NaN left out; +infinity where there is none
  uint32_t negatives;
  uint32_t active;  // negatives with input < margin
};

// Losses of one block, out[n] from input[n], label[n], or their gradients. Labels are +1 or −1: 'false' says
// that others were among them, and that what was computed is of no use. Where 'streamed', vectors go to
// aligned memory past the caches, and are there for other threads after finish_streams.
template <class T, class L>
struct LossKernels {
  bool (*forward)(T* out, const T* input, const L* label, size_t n, T margin, bool streamed);
  // [whether grad_output is one for all, not one an element]
  bool (*backward[2])(T* grad_input, const T* input, const L* label, const T* grad_output, size_t n, T margin,
                      bool streamed);
  // [by class][levels − 1]. An anchor is what a level's lanes start from: 1.5 · 2^k.
  bool (*sum[2][kLevels])(BlockSums* out, const T* input, const L* label, size_t n, T margin,
                          const double* anchors);
};

// Turns labels of any type and encoding into +1, −1 and 0 for others; whether there were any others.
template <class L>
using EncodeKernel = bool (*)(int8_t* codes, const L* label, size_t n, int32_t positive, int32_t negative);

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

  template <class T, class L>
  const LossKernels<T, L>& loss() const {
    return std::get<LossKernels<T, L>>(losses);
  }
  template <class L>
  EncodeKernel<L> encode() const {
    return std::get<EncodeKernel<L>>(encoders);
  }
};

// Those this CPU can run, preferred first; never empty.
std::span<const Kernels* const> supported_kernels();

// The preferred ones, unless select_kernels named others.
const Kernels& kernels();

// At the end of what a thread has streamed.
void finish_streams();

// False where this CPU has no such instruction set.
bool select_kernels(std::string_view name);

}  // namespace hinge_embedding_loss
