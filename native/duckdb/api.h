#pragma once

#include <cstdint>
#include <type_traits>

// The functions of DuckDB's stable C extension API v1.2.0 that the extension calls. DuckDB passes the whole
// API as a table of pointers, whose order is frozen: duckdb/duckdb, src/include/duckdb_extension.h. A test
// holds the indices here against that header.
namespace hinge_embedding_loss::duckdb {

using Index = uint64_t;
struct Access;

// Handles, which are opaque.
using Connection = struct ConnectionHandle*;
using DataChunk = struct DataChunkHandle*;
using Vector = struct VectorHandle*;
using LogicalType = struct LogicalTypeHandle*;
using ScalarFunction = struct ScalarFunctionHandle*;
using ScalarFunctionSet = struct ScalarFunctionSetHandle*;
using AggregateFunction = struct AggregateFunctionHandle*;
using AggregateFunctionSet = struct AggregateFunctionSetHandle*;
using FunctionInfo = struct FunctionInfoHandle*;
using State = struct StateHandle*;
using Database = struct DatabaseHandle*;
using Config = struct ConfigHandle*;
using ExtensionInfo = struct ExtensionInfoHandle*;

enum class Type : uint32_t {
  kBoolean = 1,
  kTinyint,
  kSmallint,
  kInteger,
  kBigint,
  kUtinyint,
  kUsmallint,
  kUinteger,
  kUbigint,
  kFloat,
  kDouble,
  kHugeint = 16,
  kVarchar,
  kBlob,
  kDecimal = 19,
  kList = 24,
  kUhugeint = 32,
  kAny = 34,
  kNull = 36
};

// An element of a HUGEINT, UHUGEINT or wide DECIMAL vector, in two's complement.
struct Wide {
  uint64_t low, high;
};

// An element of a LIST vector: a range of the vector's child.
struct ListEntry {
  uint64_t offset, length;
};

// An element of a VARCHAR vector: it holds text of up to 12 bytes, and points to longer text.
struct Text {
  uint64_t words[2];
};

enum class Result : uint32_t { kSuccess, kError };

// DuckDB's result of a query; its fields are private.
struct QueryResult {
  uint64_t words[6];
};

using Call = void (*)(FunctionInfo info, DataChunk input, Vector output);
using StateSize = Index (*)(FunctionInfo info);
using InitState = void (*)(FunctionInfo info, State state);
using Update = void (*)(FunctionInfo info, DataChunk input, State* states);
using Combine = void (*)(FunctionInfo info, State* source, State* target, Index count);
using DestroyStates = void (*)(State* states, Index count);
using Finalize = void (*)(FunctionInfo info, State* source, Vector result, Index count, Index offset);

struct Functions {
  // name without "duckdb_", index in the table, type
#define DUCKDB_API_FUNCTIONS(FUNCTION)                                                              \
  FUNCTION(open_ext, 1, Result (*)(const char*, Database*, Config, char**))                         \
  FUNCTION(close, 2, void (*)(Database*))                                                           \
  FUNCTION(connect, 3, Result (*)(Database, Connection*))                                           \
  FUNCTION(disconnect, 6, void (*)(Connection*))                                                    \
  FUNCTION(library_version, 7, const char* (*)())                                                   \
  FUNCTION(create_config, 8, Result (*)(Config*))                                                   \
  FUNCTION(set_config, 11, Result (*)(Config, const char*, const char*))                            \
  FUNCTION(destroy_config, 12, void (*)(Config*))                                                   \
  FUNCTION(query, 13, Result (*)(Connection, const char*, QueryResult*))                            \
  FUNCTION(destroy_result, 14, void (*)(QueryResult*))                                              \
  FUNCTION(string_t_length, 28, uint32_t (*)(Text))                                                 \
  FUNCTION(string_t_data, 29, const char* (*)(Text*))                                               \
  FUNCTION(create_logical_type, 156, LogicalType (*)(Type))                                         \
  FUNCTION(create_list_type, 159, LogicalType (*)(LogicalType))                                     \
  FUNCTION(create_struct_type, 163, LogicalType (*)(LogicalType*, const char**, Index))             \
  FUNCTION(get_type_id, 166, Type (*)(LogicalType))                                                 \
  FUNCTION(decimal_scale, 168, uint8_t (*)(LogicalType))                                            \
  FUNCTION(decimal_internal_type, 169, Type (*)(LogicalType))                                       \
  FUNCTION(destroy_logical_type, 184, void (*)(LogicalType*))                                       \
  FUNCTION(destroy_data_chunk, 187, void (*)(DataChunk*))                                           \
  FUNCTION(data_chunk_get_column_count, 189, Index (*)(DataChunk))                                  \
  FUNCTION(data_chunk_get_vector, 190, Vector (*)(DataChunk, Index))                                \
  FUNCTION(data_chunk_get_size, 191, Index (*)(DataChunk))                                          \
  FUNCTION(vector_get_column_type, 193, LogicalType (*)(Vector))                                    \
  FUNCTION(vector_get_data, 194, void* (*)(Vector))                                                 \
  FUNCTION(vector_get_validity, 195, uint64_t* (*)(Vector))                                         \
  FUNCTION(vector_ensure_validity_writable, 196, void (*)(Vector))                                  \
  FUNCTION(vector_assign_string_element_len, 198, void (*)(Vector, Index, const char*, Index))      \
  FUNCTION(list_vector_get_child, 199, Vector (*)(Vector))                                          \
  FUNCTION(struct_vector_get_child, 203, Vector (*)(Vector, Index))                                 \
  FUNCTION(validity_set_row_invalid, 207, void (*)(uint64_t*, Index))                               \
  FUNCTION(create_scalar_function, 209, ScalarFunction (*)())                                       \
  FUNCTION(destroy_scalar_function, 210, void (*)(ScalarFunction*))                                 \
  FUNCTION(scalar_function_set_name, 211, void (*)(ScalarFunction, const char*))                    \
  FUNCTION(scalar_function_set_volatile, 214, void (*)(ScalarFunction))                             \
  FUNCTION(scalar_function_add_parameter, 215, void (*)(ScalarFunction, LogicalType))               \
  FUNCTION(scalar_function_set_return_type, 216, void (*)(ScalarFunction, LogicalType))             \
  FUNCTION(scalar_function_set_function, 218, void (*)(ScalarFunction, Call))                       \
  FUNCTION(scalar_function_set_error, 221, void (*)(FunctionInfo, const char*))                     \
  FUNCTION(create_scalar_function_set, 222, ScalarFunctionSet (*)(const char*))                     \
  FUNCTION(destroy_scalar_function_set, 223, void (*)(ScalarFunctionSet*))                          \
  FUNCTION(add_scalar_function_to_set, 224, Result (*)(ScalarFunctionSet, ScalarFunction))          \
  FUNCTION(register_scalar_function_set, 225, Result (*)(Connection, ScalarFunctionSet))            \
  FUNCTION(create_aggregate_function, 226, AggregateFunction (*)())                                 \
  FUNCTION(destroy_aggregate_function, 227, void (*)(AggregateFunction*))                           \
  FUNCTION(aggregate_function_set_name, 228, void (*)(AggregateFunction, const char*))              \
  FUNCTION(aggregate_function_add_parameter, 229, void (*)(AggregateFunction, LogicalType))         \
  FUNCTION(aggregate_function_set_return_type, 230, void (*)(AggregateFunction, LogicalType))       \
  FUNCTION(aggregate_function_set_functions, 231,                                                   \
           void (*)(AggregateFunction, StateSize, InitState, Update, Combine, Finalize))            \
  FUNCTION(aggregate_function_set_destructor, 232, void (*)(AggregateFunction, DestroyStates))      \
  FUNCTION(aggregate_function_set_error, 237, void (*)(FunctionInfo, const char*))                  \
  FUNCTION(create_aggregate_function_set, 238, AggregateFunctionSet (*)(const char*))               \
  FUNCTION(destroy_aggregate_function_set, 239, void (*)(AggregateFunctionSet*))                    \
  FUNCTION(add_aggregate_function_to_set, 240, Result (*)(AggregateFunctionSet, AggregateFunction)) \
  FUNCTION(register_aggregate_function_set, 241, Result (*)(Connection, AggregateFunctionSet))      \
  FUNCTION(fetch_chunk, 306, DataChunk (*)(QueryResult))

#define DUCKDB_API_MEMBER(name, index, ...) std::type_identity_t<__VA_ARGS__> name;
  DUCKDB_API_FUNCTIONS(DUCKDB_API_MEMBER)
#undef DUCKDB_API_MEMBER
};

struct Access {
  void (*set_error)(ExtensionInfo info, const char* error);
  Database* (*get_database)(ExtensionInfo info);
  const void* (*get_api)(ExtensionInfo info, const char* version);
};

// Set by the first load in the process, before any other use.
inline Functions api;

}  // namespace hinge_embedding_loss::duckdb
