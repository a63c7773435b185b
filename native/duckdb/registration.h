#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "api.h"

// Adds functions to DuckDB's catalog.
namespace hinge_embedding_loss::duckdb {

// A LogicalType that is destroyed with its owner.
class OwnedType {
 public:
  explicit OwnedType(LogicalType type) : type_(type) {}
  explicit OwnedType(Type type) : type_(api.create_logical_type(type)) {}
  // A STRUCT.
  OwnedType(std::initializer_list<const char*> names, std::initializer_list<LogicalType> types)
      : type_(api.create_struct_type(const_cast<LogicalType*>(types.begin()),
                                     const_cast<const char**>(names.begin()), types.size())) {}
  static OwnedType list_of(Type type) { return OwnedType(api.create_list_type(OwnedType(type))); }
  OwnedType(const OwnedType&) = delete;
  ~OwnedType() { api.destroy_logical_type(&type_); }
  operator LogicalType() const { return type_; }

 private:
  LogicalType type_;
};

// The type of a parameter: a plain one, or lists of it.
struct Parameter {
  Parameter(Type type, bool is_list = false) : type(type), is_list(is_list) {}
  Type type;
  bool is_list;
};

using Parameters = std::vector<Parameter>;

struct AggregateCallbacks {
  StateSize size;
  InitState init;
  Update update;
  Combine combine;
  Finalize finalize;
  DestroyStates destroy = nullptr;
};

struct AggregateOverload {
  Parameters parameters;
  LogicalType result;
  AggregateCallbacks callbacks;
};

struct ScalarOverload {
  Parameters parameters;
  LogicalType result;
};

// Whether the result of a row depends on nothing but its arguments.
enum class Stability { kConsistent, kVolatile };

// Both return false if DuckDB refuses the function.
bool register_aggregate(Connection connection, const char* name,
                        std::span<const AggregateOverload> overloads);
bool register_scalar(Connection connection, const char* name, std::span<const ScalarOverload> overloads,
                     Call call, Stability stability = Stability::kConsistent);

}  // namespace hinge_embedding_loss::duckdb
