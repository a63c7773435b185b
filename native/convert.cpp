#include "convert.h"

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
    // The limits are powers of two, which a float has: below the upper one, and not NaN, a cast is defined.
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

// Calls use(a null pointer to the elements' type).
template <class Use>
size_t with_type(LabelType type, const Use& use) {
  switch (type) {
    case LabelType::kFloat32:
      return use(static_cast<float*>(nullptr));
    case LabelType::kFloat64:
      return use(static_cast<double*>(nullptr));
    case LabelType::kInt8:
      return use(static_cast<int8_t*>(nullptr));
    case LabelType::kUint8:
      return use(static_cast<uint8_t*>(nullptr));
    case LabelType::kInt16:
      return use(static_cast<int16_t*>(nullptr));
    case LabelType::kUint16:
      return use(static_cast<uint16_t*>(nullptr));
    case LabelType::kInt32:
      return use(static_cast<int32_t*>(nullptr));
    case LabelType::kUint32:
      return use(static_cast<uint32_t*>(nullptr));
    case LabelType::kInt64:
      return use(static_cast<int64_t*>(nullptr));
    case LabelType::kUint64:
      return use(static_cast<uint64_t*>(nullptr));
    case LabelType::kConstant:
      break;
  }
  return 0;
}

}  // namespace

size_t convert(LabelType to, void* out, LabelType from, const void* source, size_t n) {
  return with_type(to, [&]<class To>(To*) {
    return with_type(from, [&]<class From>(From*) {
      return convert_values(static_cast<To*>(out), static_cast<const From*>(source), n);
    });
  });
}

}  // namespace hinge_embedding_loss
