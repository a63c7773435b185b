#pragma once

#include <cstdint>

// The stack of the current thread, as each system lets a program walk it.
namespace hinge_embedding_loss::duckdb {

// An address in code.
using Address = uintptr_t;

// Where a function was called: the return address, and the stack pointer after the return. Both are 0 if the
// stack cannot be walked that far.
struct CallSite {
  Address address = 0;
  Address stack_pointer = 0;
};

// Finds the call of the function that contains `caller`, a return address on the stack.
CallSite find_call_site(Address caller);

// The start of the function around a return address, or 0.
Address find_function_start(Address return_address);

}  // namespace hinge_embedding_loss::duckdb
