#include "convert.h"

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace hinge_embedding_loss {

namespace {

template <class To, class From>
bool can_hold(From value) {
  if constexpr (std::is_floating_point_v<To>) {
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // Each limit is 0 or a power of two, so From has it exactly. In [kLowest, kBeyond), without NaN, the cast
    // to To is defined.
    constexpr From kLowest = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From kBeyond = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    return value >= kLowest && value < kBeyond && static_cast<From>(static_cast<To>(value)) == value;
  } else {
    return std::in_range<To>(value);
  }
}

template <class To, class From>
size_t convert_values(To* out, const From* source, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!can_hold<To>(source[i])) return i;
    out[i] = static_cast<To>(source[i]);
  }
  return n;
}

}  // namespace

size_t convert(DType to, void* out, DType from, const void* source, size_t n) {
  return with_dtype(to, [&]<class To>(To*) {
    return with_dtype(from, [&]<class From>(From*) {
      return convert_values(static_cast<To*>(out), static_cast<const From*>(source), n);
    });
  });
}

}  // namespace hinge_embedding_loss
