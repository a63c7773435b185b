// An addon that sets the floating-point mode of its thread, as a library linked with -Ofast does, or a
// program for interval arithmetic. It declares the functions of Node-API that it uses, so it builds without
// Node's headers.

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
static uint32_t read_mode() { return _mm_getcsr(); }
static void write_mode(uint32_t mode) { _mm_setcsr(mode); }
#else
static uint32_t read_mode() {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return static_cast<uint32_t>(mode);
}
static void write_mode(uint32_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{mode}) : "memory"); }
#endif

extern "C" {
using napi_env = struct Environment*;
using napi_value = struct Value*;
using napi_callback_info = struct CallbackInfo*;
int napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
int napi_get_value_uint32(napi_env, napi_value, uint32_t*);
int napi_create_uint32(napi_env, uint32_t, napi_value*);
int napi_create_function(napi_env, const char*, size_t, napi_value (*)(napi_env, napi_callback_info), void*,
                         napi_value*);

// setMode(mode): sets the mode and returns the previous one.
static napi_value set_mode(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  uint32_t mode = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_create_uint32(env, read_mode(), &result);
  if (napi_get_value_uint32(env, argument, &mode) == 0) write_mode(mode);
  return result;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value) {
  napi_value function;
  napi_create_function(env, "setMode", 7, set_mode, nullptr, &function);
  return function;
}
}
