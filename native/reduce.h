#pragma once

#include "exact_sum.h"
#include "kernels/kernels.h"

namespace hinge_embedding_loss {

// The guess for the next block. If it is wrong, the block is summed again: that costs time, never exactness.
struct Ladder {
  int levels;  // terms per lane
  int bound;   // for more than one level: all losses are expected below 2^bound

  // `likely` is a value that is likely among the losses.
  template <class T>
  static Ladder start(T likely);

  // Adapts to a block whose losses were below 2^above and multiples of 2^lowest.
  template <class T>
  void adapt(int above, int lowest);
};

// Adds a block's losses exactly to sums[0]; if by_class, those of its negatives to sums[1]. Returns false,
// and adds nothing, if a label is neither +1 nor −1.
template <class T, class L, class Sum>
bool reduce_block(Ladder& ladder, bool by_class, const T* input, const L* label, size_t n, T margin,
                  Sum* sums, BlockSums& block);

}  // namespace hinge_embedding_loss
