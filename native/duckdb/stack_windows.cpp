#if defined(_WIN32)

#include <windows.h>

#include "stack.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// A function's entry in its module's table for unwinding. A leaf function, which calls nothing, has none.
struct FunctionEntry {
  DWORD64 module = 0;
  RUNTIME_FUNCTION* entry;
  explicit FunctionEntry(Address address) : entry(RtlLookupFunctionEntry(address, &module, nullptr)) {}
};

// Puts the context where the function returns to. False at the end of the stack.
bool step_out(CONTEXT& context) {
  const FunctionEntry function(context.Rip);
  if (function.entry == nullptr) return false;
  void* handler_data;
  DWORD64 frame;
  RtlVirtualUnwind(UNW_FLAG_NHANDLER, function.module, context.Rip, function.entry, &context, &handler_data,
                   &frame, nullptr);
  return context.Rip != 0;
}

// UNWIND_INFO, which no header declares.
struct UnwindInfo {
  uint8_t version_and_flags, prolog_bytes, code_count, frame_register;
  uint16_t codes[1];
};
constexpr uint8_t kChained = 4;  // a flag: the entry of the function's first part comes after the codes

}  // namespace

CallSite find_call_site(Address caller) {
  CONTEXT context;
  RtlCaptureContext(&context);
  while (context.Rip != caller) {
    if (!step_out(context)) return {};
  }
  if (!step_out(context)) return {};
  return {context.Rip, context.Rsp};
}

Address find_function_start(Address return_address) {
  const FunctionEntry function(return_address - 1);
  const RUNTIME_FUNCTION* entry = function.entry;
  if (entry == nullptr) return 0;
  for (;;) {
    const auto* info = reinterpret_cast<const UnwindInfo*>(function.module + entry->UnwindData);
    if ((info->version_and_flags >> 3 & kChained) == 0) return function.module + entry->BeginAddress;
    const size_t codes = (info->code_count + 1) & ~1;  // padded to an even number
    entry = reinterpret_cast<const RUNTIME_FUNCTION*>(info->codes + codes);
  }
}

}  // namespace hinge_embedding_loss::duckdb

#endif
