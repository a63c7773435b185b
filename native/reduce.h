#pragma once

#include "exact_sum.h"
#include "kernels/kernels.h"

namespace hinge_embedding_loss {

// How to sum the next block: with how many terms a lane, and, for more than one, below which power of two its
// losses are expected. A wrong guess costs time, never exactness: the block is summed again.
struct Ladder {
  int levels;
  int bound;

  // From a value that is likely among the losses.
  template <class T>
  static Ladder start(T likely);

  // After a block whose losses were below 2^above and multiples of 2^lowest.
  template <class T>
  void expect(int above, int lowest);
};

// Adds a block's losses exactly to sums[0], or with by_class those of its positives to sums[0] and of its
// negatives to sums[1]. False, with nothing added, where a label is neither +1 nor −1.
template <class T, class L>
bool reduce_block(Ladder& ladder, bool by_class, const T* input, const L* label, size_t n, T margin,
                  ExactSum* sums, BlockSums& block);

}  // namespace hinge_embedding_loss
