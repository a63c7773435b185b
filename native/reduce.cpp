#include "reduce.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hinge_embedding_loss {

namespace {

// The certificate. Let all |loss| < 2^h, and every loss a multiple of 2^u. A level that starts from 1.5 ·
// 2^(h + λ + 1), λ = log2 of the block's elements, leaves errors of at most 2^(h + λ − 52) = 2^(h − 41),
// again multiples of 2^u. The last level adds without an anchor, which is exact while its sums stay below
// 2^(53 + u). docs/numerics.md has the proof.
constexpr int kFirstSpread = 53 - kLog2Block;      // h − u that one level sums exactly
constexpr int kLevelSpread = 53 - kLog2Block - 1;  // h − u that each further level adds
constexpr int kMaxBound = 1024 - 2 * kLog2Block;   // anchors and sums stay finite
constexpr int kMinAnchorExponent = -1021;          // below, the anchor's last place is not a double
constexpr int kSlack = 2;                          // binades that the next block may grow by at no cost

int biased_exponent(double value) { return static_cast<int>(std::bit_cast<uint64_t>(value) >> 52 & 0x7ff); }

// The least h with |value| < 2^h; larger than needed for subnormals.
int exponent_above(double value) { return biased_exponent(value) - 1022; }

// The exponent of the last place of a value of type T.
template <class T>
int last_place(double value) {
  const int exponent = biased_exponent(value) - 1023;
  return sizeof(T) == 4 ? std::max(exponent, -126) - 23 : std::max(exponent, -1022) - 52;
}

template <class T>
constexpr int kMinLevels = sizeof(T) == 4 ? 1 : 2;

int levels_for(int spread) {
  return spread <= kFirstSpread ? 1 : 1 + (spread - kFirstSpread + kLevelSpread - 1) / kLevelSpread;
}

void set_anchors(double* anchors, int bound) {
  for (int k = 0; k < kLevels - 1; k++) {
    anchors[k] = std::ldexp(1.5, std::max(bound + kLog2Block + 1 - k * kLevelSpread, kMinAnchorExponent));
  }
}

template <class T, class L, class Sum>
void add_one_by_one(const LossKernels<T, L>& kernel, bool by_class, const T* input, const L* label, size_t n,
                    T margin, Sum* sums) {
  T losses[kBlock];
  kernel.forward(losses, input, label, n, margin, false);
  for (size_t i = 0; i < n; i++) sums[by_class && label[i] < 0].add(static_cast<double>(losses[i]));
}

}  // namespace

template <class T>
Ladder Ladder::start(T likely) {
  const int bound = exponent_above(static_cast<double>(likely)) + kSlack;
  return {kMinLevels<T>, std::min(bound, kMaxBound)};
}

template <class T>
void Ladder::adapt(int above, int lowest) {
  if (above >= bound || above < bound - 2 * kSlack) bound = std::min(above + kSlack, kMaxBound);
  const bool one_level = levels_for(above - lowest) == 1;
  levels = one_level ? kMinLevels<T> : std::clamp(levels_for(bound - lowest), 2, kLevels);
}

template <class T, class L, class Sum>
bool reduce_block(Ladder& ladder, bool by_class, const T* input, const L* label, size_t n, T margin,
                  Sum* sums, BlockSums& block) {
  const LossKernels<T, L>& kernel = kernels().loss<T, L>();
  for (;;) {
    double anchors[kLevels - 1];
    if (ladder.levels > 1) set_anchors(anchors, ladder.bound);
    if (!kernel.sum[by_class][ladder.levels - 1](&block, input, label, n, margin, anchors)) return false;

    const bool all_zero = block.largest == 0;
    const int above = exponent_above(block.largest);
    const int lowest = all_zero ? above : last_place<T>(block.smallest);
    const int bound = ladder.levels == 1 ? above : ladder.bound;
    const bool is_exact = all_zero || (above <= bound && levels_for(bound - lowest) <= ladder.levels);
    // The kernel leaves NaN out of both bounds; the block's sum is then NaN, as it must be.
    const bool needs_single_adds = above > kMaxBound || levels_for(above - lowest) > kLevels;
    if (needs_single_adds) {
      add_one_by_one(kernel, by_class, input, label, n, margin, sums);
      return true;
    }
    if (is_exact) {
      for (int c = 0; c <= by_class; c++) {
        for (int k = 0; k < ladder.levels; k++) sums[c].add(block.sums[c][k]);
      }
      if (!all_zero) ladder.adapt<T>(above, lowest);
      return true;
    }
    ladder = {levels_for(above - lowest), above};
  }
}

template Ladder Ladder::start(float);
template Ladder Ladder::start(double);
template bool reduce_block(Ladder&, bool, const float*, const float*, size_t, float, ExactSum*, BlockSums&);
template bool reduce_block(Ladder&, bool, const float*, const int8_t*, size_t, float, ExactSum*, BlockSums&);
template bool reduce_block(Ladder&, bool, const double*, const double*, size_t, double, ExactSum*,
                           BlockSums&);
template bool reduce_block(Ladder&, bool, const double*, const int8_t*, size_t, double, ExactSum*,
                           BlockSums&);
template bool reduce_block(Ladder&, bool, const double*, const int8_t*, size_t, double, ProductSum*,
                           BlockSums&);

}  // namespace hinge_embedding_loss
