#include "registration.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// Calls add(function, type) with each parameter.
template <class Add, class Function>
void add_parameters(const Add& add, Function function, const Parameters& parameters) {
  for (const auto& [type, is_list] : parameters) {
    const OwnedType parameter = is_list ? OwnedType::list_of(type) : OwnedType(type);
    add(function, parameter);
  }
}

}  // namespace

bool register_aggregate(Connection connection, const char* name,
                        std::span<const AggregateOverload> overloads) {
  AggregateFunctionSet set = api.create_aggregate_function_set(name);
  bool is_taken = true;
  for (const auto& [parameters, result, callbacks] : overloads) {
    AggregateFunction function = api.create_aggregate_function();
    api.aggregate_function_set_name(function, name);
    add_parameters(api.aggregate_function_add_parameter, function, parameters);
    api.aggregate_function_set_return_type(function, result);
    api.aggregate_function_set_functions(function, callbacks.size, callbacks.init, callbacks.update,
                                         callbacks.combine, callbacks.finalize);
    if (callbacks.destroy != nullptr) {
      api.aggregate_function_set_destructor(function, callbacks.destroy);
    }
    is_taken &= api.add_aggregate_function_to_set(set, function) == Result::kSuccess;
    api.destroy_aggregate_function(&function);
  }
  is_taken = is_taken && api.register_aggregate_function_set(connection, set) == Result::kSuccess;
  api.destroy_aggregate_function_set(&set);
  return is_taken;
}

bool register_scalar(Connection connection, const char* name, std::span<const ScalarOverload> overloads,
                     Call call, Stability stability) {
  ScalarFunctionSet set = api.create_scalar_function_set(name);
  bool is_taken = true;
  for (const auto& [parameters, result] : overloads) {
    ScalarFunction function = api.create_scalar_function();
    api.scalar_function_set_name(function, name);
    add_parameters(api.scalar_function_add_parameter, function, parameters);
    api.scalar_function_set_return_type(function, result);
    api.scalar_function_set_function(function, call);
    if (stability == Stability::kVolatile) api.scalar_function_set_volatile(function);
    is_taken &= api.add_scalar_function_to_set(set, function) == Result::kSuccess;
    api.destroy_scalar_function(&function);
  }
  is_taken = is_taken && api.register_scalar_function_set(connection, set) == Result::kSuccess;
  api.destroy_scalar_function_set(&set);
  return is_taken;
}

}  // namespace hinge_embedding_loss::duckdb
