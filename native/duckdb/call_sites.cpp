#include "call_sites.h"

#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

namespace call_sites {

namespace {

// Written by one thread, read by any, never removed.
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

// By return addresses and by the beginnings of functions, whose sites all pass the same kind: in a window
// with DISTINCT, DuckDB calls from places that only slow queries, of more than 32,768 rows, could prove.
Table<States> sites;

struct Walk {
  const Address caller;
  bool is_past_caller = false;
  Address site = 0;
  Address stack = 0;  // the stack pointer at the site
};

_Unwind_Reason_Code visit(_Unwind_Context* frame, void* data) {
  Walk& walk = *static_cast<Walk*>(data);
  const Address address = _Unwind_GetIP(frame);
  if (walk.is_past_caller) {
    walk.site = address;
    walk.stack = _Unwind_GetCFA(frame);
    return _URC_END_OF_STACK;
  }
  walk.is_past_caller = address == walk.caller;
  return _URC_NO_REASON;
}

Walk walk_to_site(Address caller) {
  Walk walk{caller};
  _Unwind_Backtrace(visit, &walk);
  return walk;
}

// The beginning of the function that a call at `site` is in.
Address function_of(Address site) {
  return reinterpret_cast<Address>(_Unwind_FindEnclosingFunction(reinterpret_cast<void*>(site - 1)));
}

#if defined(__x86_64__)

// The caller's frame has a fixed size, so its return address lies at a fixed distance from `info`. To read it
// there is cheaper than to walk.
Table<ptrdiff_t> distances;

std::atomic<States>* find_quickly(Address caller, const void* info) {
  const auto* distance = distances.find(caller);
  if (distance == nullptr) return nullptr;
  return sites.find(*reinterpret_cast<const Address*>(static_cast<const char*>(info) + *distance));
}

void learn_distance(const Walk& walk, const void* info) {
  const Address place = walk.stack - sizeof(Address);
  if (walk.site == 0 || *reinterpret_cast<const Address*>(place) != walk.site) return;
  const auto distance = static_cast<ptrdiff_t>(place - reinterpret_cast<Address>(info));
  std::atomic<ptrdiff_t>* known = distances.find(walk.caller);
  if (known == nullptr) {
    distances.add(walk.caller, distance);
  } else if (*known != distance) {
    *known = 0;  // where no return address is
  }
}

#else

std::atomic<States>* find_quickly(Address, const void*) { return nullptr; }
void learn_distance(const Walk&, const void*) {}

#endif

}  // namespace

States states_at(Address caller, const void* info) {
  const std::atomic<States>* found = find_quickly(caller, info);
  return found == nullptr ? states_of(walk_to_site(caller).site) : found->load(std::memory_order_relaxed);
}

States states_of(Address site) {
  const std::atomic<States>* found = sites.find(site);
  if (found == nullptr) found = sites.find(function_of(site));
  return found == nullptr ? States::kUnknown : found->load(std::memory_order_relaxed);
}

Address learn_site(Address caller, const void* info) {
  const Walk walk = walk_to_site(caller);
  learn_distance(walk, info);
  return walk.site;
}

void teach(Address site, States states) {
  for (const Address each : {site, function_of(site)}) {
    std::atomic<States>* known = sites.find(each);
    if (known == nullptr) {
      sites.add(each, states);
    } else if (*known != states) {
      *known = States::kUnknown;
    }
  }
}

}  // namespace call_sites
