#pragma once

#include <stdexcept>

#include "../float_environment.h"
#include "api.h"

namespace hinge_embedding_loss::duckdb {

// Ends the query with its text.
struct QueryError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Every callback runs in here: in the default floating-point environment, and an exception ends the query.
template <class Body>
void run_callback(void (*set_error)(FunctionInfo, const char*), FunctionInfo info, const Body& body) {
  try {
    in_default_float_environment(body);
  } catch (const std::exception& error) {
    set_error(info, error.what());
  }
}

}  // namespace hinge_embedding_loss::duckdb
