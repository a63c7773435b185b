// Node-API only: unpack, call, return. lib/native.ts has the types of the exports. lib/ checks every argument
// first; the checks here keep memory safe if JavaScript changes it in between.

#include <napi.h>

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "convert.h"
#include "distance.h"
#include "float_environment.h"
#include "hinge_embedding_loss.h"
#include "kernels/kernels.h"
#include "parallel.h"

namespace {

namespace hel = hinge_embedding_loss;

// A typed array. Node-API takes long to tell its element type, so lib/ passes the dtype, which
// lib/tensor/tensor.ts keeps where no program can change it.
struct View {
  size_t length = 0;
  void* data = nullptr;

  bool unpack(napi_env env, napi_value value) {
    return napi_get_typedarray_info(env, value, nullptr, &length, &data, nullptr, nullptr) == napi_ok;
  }
  bool overlaps(const void* other, size_t bytes, size_t own_bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(data), other_begin = reinterpret_cast<uintptr_t>(other);
    return bytes > 0 && own_bytes > 0 && begin < other_begin + bytes && other_begin < begin + own_bytes;
  }
};

// Memory of an argument, named for errors.
struct Memory {
  const char* name;
  const void* data;
  size_t bytes;
};

bool unpack_size(napi_env env, napi_value value, size_t& size) {
  int64_t number;
  if (napi_get_value_int64(env, value, &number) != napi_ok || number < 0) return false;
  size = static_cast<size_t>(number);
  return true;
}

// lib/native.ts says how a code holds two dtypes, a policy, whether a call is for a mean and the dtype of its
// weights.
hel::DType first_dtype(uint32_t code) { return static_cast<hel::DType>(code % hel::kDTypes); }
hel::DType second_dtype(uint32_t code) { return static_cast<hel::DType>(code / hel::kDTypes % hel::kDTypes); }
constexpr uint32_t kPolicyPlace = hel::kDTypes * hel::kDTypes;
constexpr uint32_t kPolicies = 3;
constexpr uint32_t kMeanPlace = kPolicyPlace * kPolicies;
constexpr uint32_t kWeightPlace = kMeanPlace * 2;

napi_value throw_memory_changed(napi_env env) {
  napi_throw_range_error(env, "ERR_SHAPE_MISMATCH", "an argument changed while the call was being prepared");
  return nullptr;
}

// The two sides of pairs: (left, right, code, count, width, p, epsilon).
struct Sides {
  static constexpr size_t kArguments = 7;

  View left, right;
  hel::DType dtype;
  hel::Distance distance;
  size_t count = 0, width = 0;

  bool unpack(napi_env env, const napi_value* arguments) {
    uint32_t code;
    if (!left.unpack(env, arguments[0]) || !right.unpack(env, arguments[1]) ||
        napi_get_value_uint32(env, arguments[2], &code) != napi_ok ||
        !unpack_size(env, arguments[3], count) || !unpack_size(env, arguments[4], width) ||
        napi_get_value_double(env, arguments[5], &distance.p) != napi_ok ||
        napi_get_value_double(env, arguments[6], &distance.epsilon) != napi_ok) {
      return false;
    }
    dtype = first_dtype(code);
    distance.kind = static_cast<hel::DistanceKind>(code / hel::kDTypes % hel::kDistanceKinds);
    return is_float(dtype) && is_side(left) && is_side(right);
  }

  // A row of every pair, or one for all.
  bool is_side(const View& view) const { return view.length == width || has_all_rows(view); }
  bool has_all_rows(const View& view) const {
    return width == 0 ? view.length == 0 : view.length % width == 0 && view.length / width == count;
  }

  template <class T>
  hel::Pairs<T> pairs() const {
    const auto side = [&](const View& view) {
      return hel::Side<T>{static_cast<const T*>(view.data), !has_all_rows(view)};
    };
    return {side(left), side(right), count, width, distance};
  }

  // Calls use(pairs), of float or double.
  template <class Use>
  void with_pairs(const Use& use) const {
    if (dtype == hel::DType::kFloat32) {
      use(pairs<float>());
    } else {
      use(pairs<double>());
    }
  }

  // Throws, and returns true, if writing to `out` would change memory that is read or written too.
  bool throw_if_overlapping(napi_env env, const char* name, const View& out,
                            std::initializer_list<Memory> others) const {
    const size_t bytes = out.length * bytes_of(dtype);
    const auto throw_if = [&](const char* other_name, const void* data, size_t other_bytes) {
      if (data == nullptr || !out.overlaps(data, other_bytes, bytes)) return false;
      std::string message = name;
      message.append(" must be memory apart from ").append(other_name).append(", got overlapping memory");
      napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", message.c_str());
      return true;
    };
    if (throw_if("left", left.data, left.length * bytes_of(dtype)) ||
        throw_if("right", right.data, right.length * bytes_of(dtype))) {
      return true;
    }
    return std::any_of(others.begin(), others.end(),
                       [&](const Memory& other) { return throw_if(other.name, other.data, other.bytes); });
  }
};

// Where the gradients by both sides are written: [left, right].
struct SideOutputs {
  View left, right;

  bool unpack(napi_env env, napi_value value, const Sides& sides) {
    napi_value elements[2];
    for (uint32_t i = 0; i < 2; i++) {
      if (napi_get_element(env, value, i, &elements[i]) != napi_ok) return false;
    }
    return left.unpack(env, elements[0]) && left.length == sides.left.length &&
           right.unpack(env, elements[1]) && right.length == sides.right.length;
  }

  bool throw_if_overlapping(napi_env env, const Sides& sides, std::initializer_list<Memory> others) const {
    const Memory right_memory{"outRight", right.data, right.length * bytes_of(sides.dtype)};
    return sides.throw_if_overlapping(env, "outLeft", left, {right_memory}) ||
           sides.throw_if_overlapping(env, "outLeft", left, others) ||
           sides.throw_if_overlapping(env, "outRight", right, others);
  }
};

// Where a call writes gradients, and what it reads for them.
struct Outputs {
  View out;            // empty if the input is of pairs
  SideOutputs sides;   // empty unless it is
  View grad_output{};  // empty if `constant` is that of all elements
  double constant = 1;
};

// The arguments that every call over elements begins with:
// (input, label, code, margin, positiveLabel, negativeLabel, …), and the tenth one: the weight
struct Call {
  static constexpr size_t kArguments = 10;  // missing arguments are undefined

  napi_env env;
  napi_value arguments[kArguments];
  View input{};                // empty if the input is the distances of `sides`
  std::optional<Sides> sides;  // as an array
  size_t size;                 // elements of the input
  hel::DType input_dtype;
  bool is_mean;
  bool has_weights;
  hel::Weights all_weights{};
  size_t weight_bytes = 0;
  View label{};  // empty if one label is for all elements
  size_t label_bytes = 0;
  hel::Labels labels;   // of the slice
  size_t begin = 0, n;  // the slice: n elements from `begin` on
  hel::Settings settings;

  bool unpack(napi_env environment, napi_callback_info info) {
    env = environment;
    size_t count = kArguments;
    return napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) == napi_ok &&
           unpack_input(arguments[0]) && unpack_labels(arguments[1], arguments[2]) &&
           (!has_weights || unpack_weights(arguments[9])) &&
           napi_get_value_double(env, arguments[3], &settings.margin) == napi_ok &&
           napi_get_value_int32(env, arguments[4], &settings.positive_label) == napi_ok &&
           napi_get_value_int32(env, arguments[5], &settings.negative_label) == napi_ok;
  }

  bool unpack_input(napi_value value) {
    if (input.unpack(env, value)) {
      size = input.length;
      return true;
    }
    napi_value elements[Sides::kArguments];
    for (uint32_t i = 0; i < Sides::kArguments; i++) {
      if (napi_get_element(env, value, i, &elements[i]) != napi_ok) return false;
    }
    if (!sides.emplace().unpack(env, elements)) return false;
    size = sides->count;
    return true;
  }

  bool unpack_labels(napi_value value, napi_value code_value) {
    uint32_t code;
    if (napi_get_value_uint32(env, code_value, &code) != napi_ok) return false;
    input_dtype = first_dtype(code);
    settings.policy = static_cast<hel::OtherLabelPolicy>(code / kPolicyPlace % kPolicies);
    is_mean = code / kMeanPlace % 2 != 0;
    has_weights = code >= kWeightPlace;
    if (has_weights) all_weights.dtype = first_dtype(code / kWeightPlace - 1);
    const hel::DType label_dtype = second_dtype(code);
    n = size;
    if (label.unpack(env, value)) {
      labels = {label_dtype, label.data, 0};
      label_bytes = n * bytes_of(label_dtype);
      return label.length == n;
    }
    labels = {label_dtype, nullptr, 0};
    return napi_get_value_double(env, value, &labels.constant) == napi_ok;
  }

  template <class Use>
  auto with_input(const Use& use) const {
    return input_dtype == hel::DType::kFloat32 ? use(slice<float>()) : use(slice<double>());
  }
  template <class T>
  hel::Input<T> slice() const {
    return sides ? hel::Input<T>(sides->pairs<T>().from(begin, n))
                 : hel::Input<T>(static_cast<const T*>(input.data) + begin);
  }

  bool unpack_weights(napi_value value) {
    View view;
    if (!view.unpack(env, value)) return napi_get_value_double(env, value, &all_weights.constant) == napi_ok;
    all_weights.data = view.data;
    weight_bytes = n * bytes_of(all_weights.dtype);
    return view.length == n;
  }

  // The weights of the slice.
  hel::Weights weights() const { return all_weights.from(begin); }

  // True if there are weights of which some are negative, NaN or infinite.
  bool has_invalid_weights(hel::InvalidWeights& invalid) const {
    if (has_weights) invalid = hel::find_invalid(weights(), n);
    return invalid.count > 0;
  }

  // (…, begin, end), or neither for all elements.
  bool unpack_slice() {
    int64_t from, to;
    if (napi_get_value_int64(env, arguments[7], &from) != napi_ok) return true;
    if (napi_get_value_int64(env, arguments[8], &to) != napi_ok || from < 0 || to < from ||
        static_cast<size_t>(to) > n) {
      return false;
    }
    begin = static_cast<size_t>(from);
    n = static_cast<size_t>(to) - begin;
    labels = labels.from(begin);
    return true;
  }

  // A typed array of the input's length; lib/ checks that it has the input's dtype.
  bool unpack_like_input(size_t index, View& view) const {
    return view.unpack(env, arguments[index]) && view.length == size;
  }

  Memory memory_of_labels() const { return {"label", label.data, label_bytes}; }
  Memory memory_of_weights() const { return {"weight", all_weights.data, weight_bytes}; }

  // Throws, and returns true, if writing `out` would change memory that is read later.
  bool throw_if_overlapping(const View& out, const View& grad_output = {}) const {
    const size_t bytes = size * bytes_of(input_dtype);
    if (sides) {
      return sides->throw_if_overlapping(env, "out", out, {memory_of_labels(), memory_of_weights()});
    }
    const char* error = nullptr;
    if (out.data != input.data && out.overlaps(input.data, bytes, bytes)) {
      error = "out must be the input itself or memory apart from it, got overlapping memory";
    } else if (out.overlaps(label.data, label_bytes, bytes)) {
      error = "out must be memory apart from label, got overlapping memory";
    } else if (out.overlaps(all_weights.data, weight_bytes, bytes)) {
      error = "out must be memory apart from weight, got overlapping memory";
    } else if (out.overlaps(grad_output.data, grad_output.data == nullptr ? 0 : bytes, bytes)) {
      error = "out must be memory apart from gradOutput, got overlapping memory";
    }
    if (error != nullptr) napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", error);
    return error != nullptr;
  }

  // Throws, and returns false, if the outputs are not as lib/ has checked.
  bool unpack_outputs(size_t index, Outputs& outputs) const {
    auto& [out, outs, grad_output, constant] = outputs;
    const bool is_unpacked =
        sides ? outs.unpack(env, arguments[index], *sides) : unpack_like_input(index, out);
    if (!is_unpacked) {
      throw_memory_changed(env);
      return false;
    }
    return sides ? !outs.throw_if_overlapping(env, *sides, {memory_of_labels(), memory_of_weights()})
                 : !throw_if_overlapping(out, grad_output);
  }

  // Calls use(input, gradients), where gradients are written to the outputs.
  template <class Use>
  hel::OtherLabels with_gradients(const Outputs& outputs, const Use& use) const {
    return with_input([&]<class T>(const hel::Input<T>& input) {
      hel::Gradients<T> gradients{static_cast<T*>(outputs.out.data),
                                  static_cast<const T*>(outputs.grad_output.data)};
      if (!sides) return use(input, gradients);
      hel::DistanceGradients<T> by_sides(input.pairs, static_cast<T*>(outputs.sides.left.data),
                                         static_cast<T*>(outputs.sides.right.data));
      gradients.pairs = &by_sides;
      const hel::OtherLabels others = use(input, gradients);
      by_sides.finish();
      return others;
    });
  }

  bool ignores_others() const { return settings.policy == hel::OtherLabelPolicy::kIgnore; }

  // The number of elements in a mean.
  uint64_t count(uint64_t others) const { return n - (ignores_others() ? others : 0); }

  // The upstream gradient of each element.
  double upstream(double grad_output) const {
    if (!is_mean) return grad_output;
    const uint64_t others = ignores_others() ? hel::count_others(labels, n, settings) : 0;
    return grad_output / static_cast<double>(count(others));
  }

  napi_value round(const hel::ExactSum& sum, const hel::OtherLabels& others) const {
    napi_value rounded;
    napi_create_double(env, sum.round(is_mean ? count(others.count) : 1), &rounded);
    return rounded;
  }

  // { index, count, areWeights }; null if the worker thread is being terminated, where nothing can be
  // created.
  napi_value create_report(uint64_t first, uint64_t number, bool is_of_weights) const {
    napi_value report = nullptr, index, count, are_weights;
    const bool is_created = napi_create_object(env, &report) == napi_ok &&
                            napi_create_double(env, static_cast<double>(begin + first), &index) == napi_ok &&
                            napi_create_double(env, static_cast<double>(number), &count) == napi_ok &&
                            napi_get_boolean(env, is_of_weights, &are_weights) == napi_ok &&
                            napi_set_named_property(env, report, "index", index) == napi_ok &&
                            napi_set_named_property(env, report, "count", count) == napi_ok &&
                            napi_set_named_property(env, report, "areWeights", are_weights) == napi_ok;
    return is_created ? report : nullptr;
  }
  napi_value create_report(const hel::OtherLabels& others) const {
    return create_report(others.first, others.count, false);
  }
  napi_value create_report(const hel::InvalidWeights& invalid) const {
    return create_report(invalid.first, invalid.count, true);
  }

  // The totals of the elements, with their weights.
  hel::OtherLabels accumulate_weighted(hel::WeightedTotals& totals) const {
    return with_input(
        [&](const auto& slice) { return hel::accumulate(totals, slice, labels, weights(), n, settings); });
  }

  napi_value round(const hel::WeightedTotals& totals) const {
    napi_value rounded;
    const hel::ClassFigures all = totals.all(settings.policy);
    napi_create_double(env, is_mean ? all.mean : all.sum, &rounded);
    return rounded;
  }

  // How the weights change upstream gradients; `totals` is of these elements.
  hel::UpstreamWeights upstream_weights(const hel::WeightedTotals& totals) const {
    return is_mean ? hel::UpstreamWeights(weights(), totals.weight(settings.policy))
                   : hel::UpstreamWeights(weights());
  }
};

napi_value reduce_weighted(const Call& call) {
  hel::InvalidWeights invalid;
  if (call.has_invalid_weights(invalid)) return call.create_report(invalid);
  hel::WeightedTotals totals;
  const hel::OtherLabels others = call.accumulate_weighted(totals);
  return others.are_errors(call.settings) ? call.create_report(others) : call.round(totals);
}

napi_value reduce(napi_env env, napi_callback_info info) {
  Call call;
  if (!call.unpack(env, info)) return throw_memory_changed(env);
  if (call.has_weights) return reduce_weighted(call);
  hel::ExactSum sum;
  const hel::OtherLabels others = call.with_input(
      [&](const auto& input) { return hel::reduce(sum, input, call.labels, call.n, call.settings); });
  return others.are_errors(call.settings) ? call.create_report(others) : call.round(sum, others);
}

napi_value forward(napi_env env, napi_callback_info info) {
  Call call;
  View out;
  if (!call.unpack(env, info) || !call.unpack_like_input(6, out) || !call.unpack_slice())
    return throw_memory_changed(env);
  if (call.throw_if_overlapping(out)) return nullptr;
  hel::InvalidWeights invalid;
  if (call.has_invalid_weights(invalid)) return call.create_report(invalid);
  const hel::OtherLabels others = call.with_input([&]<class T>(const hel::Input<T>& input) {
    const hel::Weights weights = call.weights();
    return hel::forward(static_cast<T*>(out.data) + call.begin, input, call.labels, call.n, call.settings, {},
                        call.has_weights ? &weights : nullptr);
  });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// Writes gradients. A mean divides by the weight of the elements, which is known only after all of them were
// read.
napi_value differentiate_weighted(const Call& call, const Outputs& outputs) {
  hel::InvalidWeights invalid;
  if (call.has_invalid_weights(invalid)) return call.create_report(invalid);
  hel::WeightedTotals totals;
  if (call.is_mean) call.accumulate_weighted(totals);
  const hel::OtherLabels others =
      call.with_gradients(outputs, [&]<class T>(const hel::Input<T>& input, hel::Gradients<T>& gradients) {
        const hel::UpstreamWeights weights = call.upstream_weights(totals);
        gradients.constant = outputs.constant;
        gradients.weights = &weights;
        return hel::backward(gradients, input, call.labels, call.n, call.settings);
      });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// (…, out, gradOutput)
napi_value backward(napi_env env, napi_callback_info info) {
  Call call;
  Outputs outputs;
  if (!call.unpack(env, info) ||
      !(napi_get_value_double(env, call.arguments[7], &outputs.constant) == napi_ok ||
        call.unpack_like_input(7, outputs.grad_output))) {
    return throw_memory_changed(env);
  }
  if (!call.unpack_outputs(6, outputs)) return nullptr;
  if (call.has_weights) return differentiate_weighted(call, outputs);
  const double upstream = call.upstream(outputs.constant);
  const hel::OtherLabels others =
      call.with_gradients(outputs, [&]<class T>(const hel::Input<T>& input, hel::Gradients<T>& gradients) {
        gradients.constant = upstream;
        return hel::backward(gradients, input, call.labels, call.n, call.settings);
      });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// Writes gradients, and losses to `losses` unless it is null.
napi_value value_and_grad_weighted(const Call& call, const Outputs& outputs, void* losses) {
  if (losses == nullptr) {
    // The input may be the output.
    napi_value value = reduce_weighted(call);
    napi_value report = differentiate_weighted(call, outputs);
    return report == nullptr ? value : report;
  }
  hel::InvalidWeights invalid;
  if (call.has_invalid_weights(invalid)) return call.create_report(invalid);
  const hel::OtherLabels others =
      call.with_gradients(outputs, [&]<class T>(const hel::Input<T>& input, hel::Gradients<T>& gradients) {
        const hel::UpstreamWeights weights(call.weights());
        gradients.constant = 1;
        gradients.weights = &weights;
        return hel::forward(static_cast<T*>(losses), input, call.labels, call.n, call.settings, gradients,
                            &weights.weights);
      });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// (…, out, losses)
napi_value value_and_grad(napi_env env, napi_callback_info info) {
  Call call;
  Outputs outputs;
  View losses;
  if (!call.unpack(env, info)) return throw_memory_changed(env);
  napi_valuetype type;
  const bool is_reduced = napi_typeof(env, call.arguments[7], &type) == napi_ok && type == napi_undefined;
  if (!is_reduced && !call.unpack_like_input(7, losses)) return throw_memory_changed(env);
  if (!call.unpack_outputs(6, outputs)) return nullptr;
  if (call.has_weights) return value_and_grad_weighted(call, outputs, is_reduced ? nullptr : losses.data);
  const double upstream = call.upstream(1);
  hel::ExactSum sum;
  const hel::OtherLabels others =
      call.with_gradients(outputs, [&]<class T>(const hel::Input<T>& input, hel::Gradients<T>& gradients) {
        gradients.constant = upstream;
        return is_reduced ? hel::reduce(sum, input, call.labels, call.n, call.settings, gradients)
                          : hel::forward(static_cast<T*>(losses.data), input, call.labels, call.n,
                                         call.settings, gradients);
      });
  if (others.are_errors(call.settings)) return call.create_report(others);
  return is_reduced ? call.round(sum, others) : nullptr;
}

// (left, right, code, count, width, p, epsilon, out, begin, end)
napi_value distances(napi_env env, napi_callback_info info) {
  size_t length = 10;
  napi_value arguments[10];
  Sides sides;
  View out;
  size_t begin, end;
  if (napi_get_cb_info(env, info, &length, arguments, nullptr, nullptr) != napi_ok ||
      !sides.unpack(env, arguments) || !out.unpack(env, arguments[7]) || out.length != sides.count ||
      !unpack_size(env, arguments[8], begin) || !unpack_size(env, arguments[9], end) || begin > end ||
      end > sides.count) {
    return throw_memory_changed(env);
  }
  if (sides.throw_if_overlapping(env, "out", out, {})) return nullptr;
  sides.with_pairs([&]<class T>(const hel::Pairs<T>& pairs) {
    hel::compute_distances_in_parallel(static_cast<T*>(out.data) + begin, pairs, begin, end);
  });
  return nullptr;
}

// (left, right, code, count, width, p, epsilon, outs, gradOutput)
napi_value distance_gradients(napi_env env, napi_callback_info info) {
  size_t length = 9;
  napi_value arguments[9];
  Sides sides;
  SideOutputs outs;
  View grad_output;
  double constant = 0;
  if (napi_get_cb_info(env, info, &length, arguments, nullptr, nullptr) != napi_ok ||
      !sides.unpack(env, arguments) || !outs.unpack(env, arguments[7], sides) ||
      !(napi_get_value_double(env, arguments[8], &constant) == napi_ok ||
        (grad_output.unpack(env, arguments[8]) && grad_output.length == sides.count))) {
    return throw_memory_changed(env);
  }
  const Memory upstream_memory{"gradOutput", grad_output.data, grad_output.length * bytes_of(sides.dtype)};
  if (outs.throw_if_overlapping(env, sides, {upstream_memory})) return nullptr;
  sides.with_pairs([&]<class T>(const hel::Pairs<T>& pairs) {
    const T one = static_cast<T>(constant);
    const bool is_one = grad_output.data == nullptr;
    const T* upstream = is_one ? &one : static_cast<const T*>(grad_output.data);
    hel::differentiate_distances(static_cast<T*>(outs.left.data), static_cast<T*>(outs.right.data), pairs,
                                 upstream, is_one ? 0 : 1);
  });
  return nullptr;
}

// (out, source, dtypes)
napi_value convert(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], converted;
  View out, source;
  uint32_t code;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok ||
      !out.unpack(env, arguments[0]) || !source.unpack(env, arguments[1]) || out.length != source.length ||
      napi_get_value_uint32(env, arguments[2], &code) != napi_ok) {
    return throw_memory_changed(env);
  }
  const size_t end =
      hel::convert(first_dtype(code), out.data, second_dtype(code), source.data, source.length);
  return napi_create_double(env, static_cast<double>(end), &converted) == napi_ok ? converted : nullptr;
}

// The state of an accumulator is Totals, or WeightedTotals once it has weights. Calls use(state), or returns
// false for other memory.
template <class Use>
bool use_state(napi_env env, napi_value value, const Use& use) {
  View view;
  if (!view.unpack(env, value) || reinterpret_cast<uintptr_t>(view.data) % alignof(hel::Totals) != 0) {
    return false;
  }
  if (view.length == sizeof(hel::Totals)) {
    use(*static_cast<hel::Totals*>(view.data));
  } else if (view.length == sizeof(hel::WeightedTotals)) {
    use(*static_cast<hel::WeightedTotals*>(view.data));
  } else {
    return false;
  }
  return true;
}

// Returns false, and changes nothing, if the source has weights and the target has none.
template <class Target, class Source>
bool merge_states(Target& target, const Source& source) {
  constexpr bool kCanMerge = std::is_constructible_v<Target, Source>;
  if constexpr (kCanMerge) target.merge(Target(source));
  return kCanMerge;
}

// Adds all elements to a state, or none if there is an error.
template <class Part, class Add>
napi_value add_to_state(const Call& call, const Add& add) {
  Part part;
  bool is_merged = false;
  const hel::OtherLabels others = add(part);
  if (others.are_errors(call.settings)) return call.create_report(others);
  const auto merge = [&](auto& state) { is_merged = merge_states(state, part); };
  return use_state(call.env, call.arguments[6], merge) && is_merged ? nullptr
                                                                    : throw_memory_changed(call.env);
}

napi_value accumulate(napi_env env, napi_callback_info info) {
  Call call;
  if (!call.unpack(env, info) || !call.unpack_slice()) return throw_memory_changed(env);
  if (call.has_weights) {
    hel::InvalidWeights invalid;
    if (call.has_invalid_weights(invalid)) return call.create_report(invalid);
    return add_to_state<hel::WeightedTotals>(
        call, [&](hel::WeightedTotals& totals) { return call.accumulate_weighted(totals); });
  }
  return add_to_state<hel::Totals>(call, [&](hel::Totals& totals) {
    return call.with_input([&](const auto& input) {
      return hel::accumulate(totals, input, call.labels, call.n, call.settings);
    });
  });
}

// Counts all elements as positives. Only the totals of all elements are then those of accumulate; it is
// faster.
napi_value accumulate_unclassed(napi_env env, napi_callback_info info) {
  Call call;
  if (!call.unpack(env, info) || !call.unpack_slice()) return throw_memory_changed(env);
  return add_to_state<hel::Totals>(call, [&](hel::Totals& totals) {
    const hel::OtherLabels others = call.with_input([&](const auto& input) {
      return hel::reduce(totals.sums[0], input, call.labels, call.n, call.settings);
    });
    totals.positives = call.n - others.count;
    totals.others = others.count;
    return others;
  });
}

// Calls use(state).
template <class Use>
void with_state(const Napi::CallbackInfo& info, size_t index, const Use& use) {
  if (use_state(info.Env(), info[index], use)) return;
  throw Napi::TypeError::New(info.Env(), "expected the state of an accumulator");
}

Napi::Value merge(const Napi::CallbackInfo& info) {
  bool is_merged = false;
  with_state(info, 0, [&](auto& target) {
    with_state(info, 1, [&](auto& source) { is_merged = merge_states(target, source); });
  });
  if (!is_merged) throw Napi::TypeError::New(info.Env(), "expected a target with weights");
  return info.Env().Undefined();
}

// [all, positives, negatives] × [count, sum, mean], active negatives, others, [all, positives, negatives] ×
// weight.
Napi::Value totals(const Napi::CallbackInfo& info) {
  const auto policy = static_cast<hel::OtherLabelPolicy>(info[1].As<Napi::Number>().Uint32Value());
  hel::Figures figures;
  with_state(info, 0, [&](auto& state) { figures = state.figures(policy); });
  Napi::Array list = Napi::Array::New(info.Env());
  uint32_t length = 0;
  const auto push = [&](double figure) { list.Set(length++, figure); };
  const hel::ClassFigures classes[] = {figures.all, figures.positives, figures.negatives};
  for (const hel::ClassFigures& each : classes) {
    push(static_cast<double>(each.count));
    push(each.sum);
    push(each.mean);
  }
  push(static_cast<double>(figures.active));
  push(static_cast<double>(figures.others));
  for (const hel::ClassFigures& each : classes) push(each.weight);
  return list;
}

// Calls use(value) for each value of a state in the order of the record in lib/native.ts.
template <class State, class Use>
void visit_record(State& state, const Use& use) {
  use(state.positives);
  use(state.sums[0]);
  use(state.negatives);
  use(state.sums[1]);
  use(state.active);
  use(state.others);
  if constexpr (requires { state.weights; }) {
    use(state.weights[2]);
    use(state.weights[0]);
    use(state.weights[1]);
  }
}

Napi::Value export_state(const Napi::CallbackInfo& info) {
  Napi::Array record = Napi::Array::New(info.Env());
  with_state(info, 0, [&](auto& state) {
    uint32_t length = 0;
    visit_record(state, [&]<class Value>(const Value& value) {
      if constexpr (std::is_integral_v<Value>) {
        record.Set(length++, static_cast<double>(value));
      } else {
        record.Set(length++, value.to_text());
      }
    });
  });
  return record;
}

bool read(const Napi::Value& value, uint64_t& count) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool is_count = number >= 0 && number <= static_cast<double>(hel::kMaxElements) &&
                        number == static_cast<double>(static_cast<uint64_t>(number));
  count = is_count ? static_cast<uint64_t>(number) : 0;
  return is_count;
}

template <class Sum>
bool read(const Napi::Value& value, Sum& sum) {
  return value.IsString() && Sum::from_text(value.As<Napi::String>().Utf8Value(), sum);
}

// Returns false if a count or a text is not one that export_state returns, or if they contradict each other.
Napi::Value import_state(const Napi::CallbackInfo& info) {
  const Napi::Array record = info[1].As<Napi::Array>();
  bool is_record = true;
  with_state(info, 0, [&]<class State>(State& state) {
    State imported;
    uint32_t length = 0;
    visit_record(imported, [&](auto& value) { is_record = is_record && read(record.Get(length++), value); });
    is_record = is_record && imported.is_possible();
    if (is_record) state = imported;
  });
  return Napi::Boolean::New(info.Env(), is_record);
}

Napi::Value is_first(const Napi::CallbackInfo& info) {
  static std::atomic_flag asked;
  return Napi::Boolean::New(info.Env(), !asked.test_and_set());
}

Napi::Value instruction_sets(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t length = 0;
  for (const hel::Kernels* each : hel::supported_kernels()) names.Set(length++, std::string(each->name));
  return names;
}

Napi::Value instruction_set(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), std::string(hel::kernels().name));
}

Napi::Value set_instruction_set(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), hel::select_kernels(info[0].As<Napi::String>().Utf8Value()));
}

Napi::Value num_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(hel::num_threads()));
}

Napi::Value set_num_threads(const Napi::CallbackInfo& info) {
  hel::set_num_threads(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

// The exported functions, which calculate in the default floating-point environment.
template <napi_callback kFunction>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    return hel::in_default_float_environment([&] { return kFunction(env, info); });
  } catch (const std::bad_alloc&) {
    napi_throw_range_error(env, nullptr, "Array buffer allocation failed");
    return nullptr;
  }
}

template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
Napi::Value wrapped_entry(const Napi::CallbackInfo& info) {
  return hel::in_default_float_environment([&] { return kFunction(info); });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  // Node-API's C interface halves the cost of a small call.
  const auto describe = [](const char* name, napi_callback function) {
    return napi_property_descriptor{name,    nullptr, function,        nullptr,
                                    nullptr, nullptr, napi_enumerable, nullptr};
  };
  const napi_property_descriptor calls[] = {
      describe("reduce", entry<reduce>),
      describe("forward", entry<forward>),
      describe("backward", entry<backward>),
      describe("valueAndGrad", entry<value_and_grad>),
      describe("accumulate", entry<accumulate>),
      describe("accumulateUnclassed", entry<accumulate_unclassed>),
      describe("convert", entry<convert>),
      describe("distances", entry<distances>),
      describe("distanceGradients", entry<distance_gradients>),
  };
  napi_define_properties(env, exports, std::size(calls), calls);
  exports.Set("stateBytes", static_cast<double>(sizeof(hel::Totals)));
  exports.Set("weightedStateBytes", static_cast<double>(sizeof(hel::WeightedTotals)));
  exports.Set("merge", Napi::Function::New<wrapped_entry<merge>>(env));
  exports.Set("totals", Napi::Function::New<wrapped_entry<totals>>(env));
  exports.Set("exportState", Napi::Function::New<wrapped_entry<export_state>>(env));
  exports.Set("importState", Napi::Function::New<wrapped_entry<import_state>>(env));
  exports.Set("isFirst", Napi::Function::New<is_first>(env));
  exports.Set("instructionSets", Napi::Function::New<instruction_sets>(env));
  exports.Set("instructionSet", Napi::Function::New<instruction_set>(env));
  exports.Set("setInstructionSet", Napi::Function::New<set_instruction_set>(env));
  exports.Set("numThreads", Napi::Function::New<num_threads>(env));
  exports.Set("setNumThreads", Napi::Function::New<set_num_threads>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(hinge_embedding_loss, init)
