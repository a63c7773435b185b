// The entry point, which DuckDB calls for every database that loads the extension.

#include <mutex>

#include "aggregates.h"
#include "api.h"
#include "calibration.h"
#include "scalars.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// Returns null, or what went wrong.
const char* load(const Functions& functions, Database database) {
  // One file serves one DuckDB library: call sites and callbacks are shared by all databases of the process.
  static std::once_flag once;
  std::call_once(once, [&] {
    api = functions;
    calibrate_call_sites();
  });
  if (api.connect != functions.connect) {
    return "another DuckDB library in this process has loaded this file of hinge_embedding_loss: load a copy "
           "of "
           "the file here";
  }
  Connection connection;
  if (api.connect(database, &connection) != Result::kSuccess) {
    return "hinge_embedding_loss cannot connect to the database";
  }
  const bool is_registered = register_aggregates(connection) && register_scalars(connection);
  api.disconnect(&connection);
  return is_registered ? nullptr : "DuckDB refused a function of hinge_embedding_loss";
}

}  // namespace

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

extern "C" EXPORTED bool hinge_embedding_loss_init_c_api(ExtensionInfo info, const Access* access) {
  const auto* table = static_cast<void* const*>(access->get_api(info, "v1.2.0"));
  if (table == nullptr) return false;  // DuckDB has set the error
  Functions functions;
#define DUCKDB_API_LOAD(name, index, ...) functions.name = reinterpret_cast<__VA_ARGS__>(table[index]);
  DUCKDB_API_FUNCTIONS(DUCKDB_API_LOAD)
#undef DUCKDB_API_LOAD
  const char* const error = load(functions, *access->get_database(info));
  if (error != nullptr) access->set_error(info, error);
  return error == nullptr;
}

}  // namespace hinge_embedding_loss::duckdb
