#pragma once

#include <cstddef>
#include <cstdint>

namespace hinge_embedding_loss {

// A dtype's value is its code in lib/tensor/dtypes.ts, which lists them in the same order.
enum class DType {
  kFloat32,
  kFloat64,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
};
constexpr uint32_t kDTypes = 10;

inline bool is_float(DType dtype) { return dtype <= DType::kFloat64; }

// Calls use(pointer): a null pointer to the element type.
template <class Use>
auto with_dtype(DType dtype, const Use& use) {
  switch (dtype) {
    case DType::kFloat32:
      return use(static_cast<float*>(nullptr));
    case DType::kFloat64:
      return use(static_cast<double*>(nullptr));
    case DType::kInt8:
      return use(static_cast<int8_t*>(nullptr));
    case DType::kUint8:
      return use(static_cast<uint8_t*>(nullptr));
    case DType::kInt16:
      return use(static_cast<int16_t*>(nullptr));
    case DType::kUint16:
      return use(static_cast<uint16_t*>(nullptr));
    case DType::kInt32:
      return use(static_cast<int32_t*>(nullptr));
    case DType::kUint32:
      return use(static_cast<uint32_t*>(nullptr));
    case DType::kInt64:
      return use(static_cast<int64_t*>(nullptr));
    case DType::kUint64:
      return use(static_cast<uint64_t*>(nullptr));
  }
  __builtin_unreachable();
}

inline size_t bytes_of(DType dtype) {
  return with_dtype(dtype, []<class T>(T*) { return sizeof(T); });
}

}  // namespace hinge_embedding_loss
