#if !defined(_WIN32)

#include <unwind.h>

#include "stack.h"

namespace hinge_embedding_loss::duckdb {

namespace {

struct Walk {
  const Address caller;
  bool is_past_caller = false;
  CallSite site{};
};

_Unwind_Reason_Code visit(_Unwind_Context* frame, void* data) {
  Walk& walk = *static_cast<Walk*>(data);
  const Address address = _Unwind_GetIP(frame);
  if (walk.is_past_caller) {
    walk.site = {address, _Unwind_GetCFA(frame)};
    return _URC_END_OF_STACK;
  }
  walk.is_past_caller = address == walk.caller;
  return _URC_NO_REASON;
}

}  // namespace

CallSite find_call_site(Address caller) {
  Walk walk{caller};
  _Unwind_Backtrace(visit, &walk);
  return walk.site;
}

Address find_function_start(Address return_address) {
  return reinterpret_cast<Address>(
      _Unwind_FindEnclosingFunction(reinterpret_cast<void*>(return_address - 1)));
}

}  // namespace hinge_embedding_loss::duckdb

#endif
