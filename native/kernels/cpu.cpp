#if defined(__x86_64__)

#include "cpu.h"

#include <cpuid.h>

#include <cstdint>

namespace hinge_embedding_loss {

namespace {

// Leaf 1, ECX.
constexpr uint32_t kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28;

// Leaf 7, EBX.
constexpr uint32_t kAvx2 = 1u << 5;
constexpr uint32_t kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL

// XCR0: the registers that the system saves when it switches threads.
constexpr uint32_t kYmm = 1u << 1 | 1u << 2;                   // XMM, upper halves of YMM
constexpr uint32_t kZmm = kYmm | 1u << 5 | 1u << 6 | 1u << 7;  // masks, upper halves of ZMM, ZMM16 to 31

// 0 unless the system saves registers by XSAVE, and the CPU has FMA.
uint32_t usable_registers() {
  uint32_t eax, ebx, ecx, edx;
  constexpr uint32_t kNeeded = kFma | kOsxsave | kAvx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & kNeeded) != kNeeded) return 0;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return eax;
}

bool has(uint32_t features, uint32_t registers) {
  uint32_t eax, ebx, ecx, edx;
  const bool has_features = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & features) == features;
  return has_features && (usable_registers() & registers) == registers;
}

}  // namespace

bool has_avx2() { return has(kAvx2, kYmm); }
bool has_avx512() { return has(kAvx512, kZmm); }

}  // namespace hinge_embedding_loss

#endif
