#include "call_sites.h"

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

#if defined(__x86_64__)

// The caller's stack frame has a fixed size, so its return address lies at a fixed distance from `info`.
// Reading it there is cheaper than walking the stack.
Table<ptrdiff_t> distances;

std::atomic<StateLayout>* find_without_walk(Address caller, const void* info) {
  const auto* distance = distances.find(caller);
  if (distance == nullptr) return nullptr;
  return layouts.find(*reinterpret_cast<const Address*>(static_cast<const char*>(info) + *distance));
}

void learn_distance(Address caller, const CallSite& site, const void* info) {
  const Address slot = site.stack_pointer - sizeof(Address);
  if (site.address == 0 || *reinterpret_cast<const Address*>(slot) != site.address) return;
  const auto distance = static_cast<ptrdiff_t>(slot - reinterpret_cast<Address>(info));
  std::atomic<ptrdiff_t>* known = distances.find(caller);
  if (known == nullptr) {
    distances.add(caller, distance);
  } else if (*known != distance) {
    *known = 0;  // no return address lies there
  }
}

#else

std::atomic<StateLayout>* find_without_walk(Address, const void*) { return nullptr; }
void learn_distance(Address, const CallSite&, const void*) {}

#endif

}  // namespace

StateLayout layout_at_call(Address caller, const void* info) {
  const std::atomic<StateLayout>* found = find_without_walk(caller, info);
  return found == nullptr ? layout_at_site(find_call_site(caller).address)
                          : found->load(std::memory_order_relaxed);
}

StateLayout layout_at_site(Address site) {
  const std::atomic<StateLayout>* found = layouts.find(site);
  if (found == nullptr) found = layouts.find(find_function_start(site));
  return found == nullptr ? StateLayout::kUnknown : found->load(std::memory_order_relaxed);
}

Address learn_site(Address caller, const void* info) {
  const CallSite site = find_call_site(caller);
  learn_distance(caller, site, info);
  return site.address;
}

void teach(Address site, StateLayout layout) {
  for (const Address each : {site, find_function_start(site)}) {
    if (each == 0) continue;  // the start is not known
    std::atomic<StateLayout>* known = layouts.find(each);
    if (known == nullptr) {
      layouts.add(each, layout);
    } else if (*known != layout) {
      *known = StateLayout::kUnknown;
    }
  }
}

}  // namespace hinge_embedding_loss::duckdb
