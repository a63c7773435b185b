#pragma once

// Which instruction sets of x86-64 this CPU has and the operating system saves. __builtin_cpu_supports needs
// the run-time library of the compiler, and some libraries answer "none".
namespace hinge_embedding_loss {

// AVX2 with FMA, as all CPUs of Intel and AMD with AVX2 have it.
bool has_avx2();

// AVX-512 with F, BW, DQ and VL. macOS enables it at its first use, so this is false there.
bool has_avx512();

}  // namespace hinge_embedding_loss
