#include "call_sites.h"

#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

namespace hinge_embedding_loss::duckdb {

namespace {

// One thread adds entries while any may read. Entries are never removed.
template <class Value>
class Table {
 public:
  std::atomic<Value>* find(Address key) {
    const size_t size = size_.load(std::memory_order_acquire);
    const auto found = std::find_if(entries_.begin(), entries_.begin() + size,
                                    [&](const Entry& each) { return each.key == key; });
    return found == entries_.begin() + size ? nullptr : &found->value;
  }

  void add(Address key, Value value) {
    const size_t size = size_.load(std::memory_order_relaxed);
    if (size == entries_.size()) return;
    entries_[size].key = key;
    entries_[size].value = value;
    size_.store(size + 1, std::memory_order_release);
  }

 private:
  struct Entry {
    Address key;
    std::atomic<Value> value;
  };

  std::array<Entry, 64> entries_{};
  std::atomic<size_t> size_ = 0;
};

// Layouts by return address and by the start of the function around it. A function's call sites all pass the
// same layout, and some of them (in a window with DISTINCT) are reached only by slow queries of more than
// 32,768 rows.
Table<StateLayout> layouts;

struct StackWalk {
  const Address caller;
  bool is_past_caller = false;
  Address site = 0;
  Address stack_pointer = 0;  // at the site
};

_Unwind_Reason_Code visit(_Unwind_Context* frame, void* data) {
  StackWalk& walk = *static_cast<StackWalk*>(data);
  const Address address = _Unwind_GetIP(frame);
  if (walk.is_past_caller) {
    walk.site = address;
    walk.stack_pointer = _Unwind_GetCFA(frame);
    return _URC_END_OF_STACK;
  }
  walk.is_past_caller = address == walk.caller;
  return _URC_NO_REASON;
}

StackWalk walk_to_site(Address caller) {
  StackWalk walk{caller};
  _Unwind_Backtrace(visit, &walk);
  return walk;
}

// The start of the function around a call site.
Address function_of(Address site) {
  return reinterpret_cast<Address>(_Unwind_FindEnclosingFunction(reinterpret_cast<void*>(site - 1)));
}

#if defined(__x86_64__)

// The caller's stack frame has a fixed size, so its return address lies at a fixed distance from `info`.
// Reading it there is cheaper than walking the stack.
Table<ptrdiff_t> distances;

std::atomic<StateLayout>* find_without_walk(Address caller, const void* info) {
  const auto* distance = distances.find(caller);
  if (distance == nullptr) return nullptr;
  return layouts.find(*reinterpret_cast<const Address*>(static_cast<const char*>(info) + *distance));
}

void learn_distance(const StackWalk& walk, const void* info) {
  const Address slot = walk.stack_pointer - sizeof(Address);
  if (walk.site == 0 || *reinterpret_cast<const Address*>(slot) != walk.site) return;
  const auto distance = static_cast<ptrdiff_t>(slot - reinterpret_cast<Address>(info));
  std::atomic<ptrdiff_t>* known = distances.find(walk.caller);
  if (known == nullptr) {
    distances.add(walk.caller, distance);
  } else if (*known != distance) {
    *known = 0;  // no return address lies there
  }
}

#else

std::atomic<StateLayout>* find_without_walk(Address, const void*) { return nullptr; }
void learn_distance(const StackWalk&, const void*) {}

#endif

}  // namespace

StateLayout layout_at_call(Address caller, const void* info) {
  const std::atomic<StateLayout>* found = find_without_walk(caller, info);
  return found == nullptr ? layout_at_site(walk_to_site(caller).site)
                          : found->load(std::memory_order_relaxed);
}

StateLayout layout_at_site(Address site) {
  const std::atomic<StateLayout>* found = layouts.find(site);
  if (found == nullptr) found = layouts.find(function_of(site));
  return found == nullptr ? StateLayout::kUnknown : found->load(std::memory_order_relaxed);
}

Address learn_site(Address caller, const void* info) {
  const StackWalk walk = walk_to_site(caller);
  learn_distance(walk, info);
  return walk.site;
}

void teach(Address site, StateLayout layout) {
  for (const Address each : {site, function_of(site)}) {
    std::atomic<StateLayout>* known = layouts.find(each);
    if (known == nullptr) {
      layouts.add(each, layout);
    } else if (*known != layout) {
      *known = StateLayout::kUnknown;
    }
  }
}

}  // namespace hinge_embedding_loss::duckdb
