// Node-API only: unpack, call, return. lib/native.ts has the types of the exports. lib/ checks every argument
// first; the checks here keep memory safe if JavaScript changes it in between.

#include <napi.h>

#include <atomic>
#include <string>

#include "convert.h"
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
    return begin < other_begin + bytes && other_begin < begin + own_bytes;
  }
};

// lib/native.ts says how a code holds two dtypes, a policy and whether a call is for a mean.
hel::DType first_dtype(uint32_t code) { return static_cast<hel::DType>(code % hel::kDTypes); }
hel::DType second_dtype(uint32_t code) { return static_cast<hel::DType>(code / hel::kDTypes % hel::kDTypes); }
constexpr uint32_t kPolicyPlace = hel::kDTypes * hel::kDTypes;
constexpr uint32_t kPolicies = 3;
constexpr uint32_t kMeanPlace = kPolicyPlace * kPolicies;

napi_value throw_memory_changed(napi_env env) {
  napi_throw_range_error(env, "ERR_SHAPE_MISMATCH",
                         "input, label, out or gradOutput changed while the call was being prepared");
  return nullptr;
}

// The arguments that every call over elements begins with:
// (input, label, code, margin, positiveLabel, negativeLabel, …)
struct Call {
  static constexpr size_t kArguments = 9;  // missing arguments are undefined

  napi_env env;
  napi_value arguments[kArguments];
  View input;
  hel::DType input_dtype;
  bool is_mean;
  View label{};  // empty if one label is for all elements
  size_t label_bytes = 0;
  hel::Labels labels;   // of the slice
  size_t begin = 0, n;  // the slice: n elements from `begin` on
  hel::Settings settings;

  bool unpack(napi_env environment, napi_callback_info info) {
    env = environment;
    size_t count = kArguments;
    return napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) == napi_ok &&
           input.unpack(env, arguments[0]) && unpack_labels(arguments[1], arguments[2]) &&
           napi_get_value_double(env, arguments[3], &settings.margin) == napi_ok &&
           napi_get_value_int32(env, arguments[4], &settings.positive_label) == napi_ok &&
           napi_get_value_int32(env, arguments[5], &settings.negative_label) == napi_ok;
  }

  bool unpack_labels(napi_value value, napi_value code_value) {
    uint32_t code;
    if (napi_get_value_uint32(env, code_value, &code) != napi_ok) return false;
    input_dtype = first_dtype(code);
    settings.policy = static_cast<hel::OtherLabelPolicy>(code / kPolicyPlace % kPolicies);
    is_mean = code >= kMeanPlace;
    const hel::DType label_dtype = second_dtype(code);
    n = input.length;
    if (label.unpack(env, value)) {
      labels = {label_dtype, label.data, 0};
      label_bytes = n * bytes_of(label_dtype);
      return label.length == n;
    }
    labels = {label_dtype, nullptr, 0};
    return napi_get_value_double(env, value, &labels.constant) == napi_ok;
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
    if (labels.data != nullptr) labels.data = static_cast<char*>(label.data) + begin * bytes_of(labels.dtype);
    return true;
  }

  // A typed array of the input's length; lib/ checks that it has the input's dtype.
  bool unpack_like_input(size_t index, View& view) const {
    return view.unpack(env, arguments[index]) && view.length == input.length;
  }

  // Throws, and returns true, if writing `out` would change memory that is read later.
  bool throw_if_overlapping(const View& out, const View& grad_output = {}) const {
    const size_t bytes = input.length * bytes_of(input_dtype);
    const char* error = nullptr;
    if (out.data != input.data && out.overlaps(input.data, bytes, bytes)) {
      error = "out must be the input itself or memory apart from it, got overlapping memory";
    } else if (out.overlaps(label.data, label_bytes, bytes)) {
      error = "out must be memory apart from label, got overlapping memory";
    } else if (out.overlaps(grad_output.data, grad_output.data == nullptr ? 0 : bytes, bytes)) {
      error = "out must be memory apart from gradOutput, got overlapping memory";
    }
    if (error != nullptr) napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", error);
    return error != nullptr;
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

  template <class Use>
  hel::OtherLabels with_input(const Use& use) const {
    return input_dtype == hel::DType::kFloat32 ? use(static_cast<float*>(input.data) + begin)
                                               : use(static_cast<double*>(input.data) + begin);
  }

  napi_value round(const hel::ExactSum& sum, const hel::OtherLabels& others) const {
    napi_value rounded;
    napi_create_double(env, sum.round(is_mean ? count(others.count) : 1), &rounded);
    return rounded;
  }

  // { index, count }; null if the worker thread is being terminated, where nothing can be created.
  napi_value create_report(const hel::OtherLabels& others) const {
    napi_value report = nullptr, index, count;
    const bool is_created =
        napi_create_object(env, &report) == napi_ok &&
        napi_create_double(env, static_cast<double>(begin + others.first), &index) == napi_ok &&
        napi_create_double(env, static_cast<double>(others.count), &count) == napi_ok &&
        napi_set_named_property(env, report, "index", index) == napi_ok &&
        napi_set_named_property(env, report, "count", count) == napi_ok;
    return is_created ? report : nullptr;
  }
};

napi_value reduce(napi_env env, napi_callback_info info) {
  Call call;
  if (!call.unpack(env, info)) return throw_memory_changed(env);
  hel::ExactSum sum;
  const hel::OtherLabels others = call.with_input(
      [&](auto* input) { return hel::reduce(sum, input, call.labels, call.n, call.settings); });
  return others.are_errors(call.settings) ? call.create_report(others) : call.round(sum, others);
}

napi_value forward(napi_env env, napi_callback_info info) {
  Call call;
  View out;
  if (!call.unpack(env, info) || !call.unpack_like_input(6, out) || !call.unpack_slice())
    return throw_memory_changed(env);
  if (call.throw_if_overlapping(out)) return nullptr;
  const hel::OtherLabels others = call.with_input([&](auto* input) {
    return hel::forward(static_cast<decltype(input)>(out.data) + call.begin, input, call.labels, call.n,
                        call.settings);
  });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// (…, out, gradOutput)
napi_value backward(napi_env env, napi_callback_info info) {
  Call call;
  View out, grad_output;
  double constant = 0;
  if (!call.unpack(env, info) || !call.unpack_like_input(6, out) ||
      !(napi_get_value_double(env, call.arguments[7], &constant) == napi_ok ||
        call.unpack_like_input(7, grad_output))) {
    return throw_memory_changed(env);
  }
  if (call.throw_if_overlapping(out, grad_output)) return nullptr;
  const double upstream = call.upstream(constant);
  const hel::OtherLabels others = call.with_input([&]<class T>(T* input) {
    const hel::Gradients<T> gradients{static_cast<T*>(out.data), static_cast<T*>(grad_output.data),
                                      static_cast<T>(upstream)};
    return hel::backward(gradients, input, call.labels, call.n, call.settings);
  });
  return others.are_errors(call.settings) ? call.create_report(others) : nullptr;
}

// (…, out, losses)
napi_value value_and_grad(napi_env env, napi_callback_info info) {
  Call call;
  View out, losses;
  if (!call.unpack(env, info) || !call.unpack_like_input(6, out)) return throw_memory_changed(env);
  napi_valuetype type;
  const bool is_reduced = napi_typeof(env, call.arguments[7], &type) == napi_ok && type == napi_undefined;
  if (!is_reduced && !call.unpack_like_input(7, losses)) return throw_memory_changed(env);
  if (call.throw_if_overlapping(out)) return nullptr;
  const double upstream = call.upstream(1);
  hel::ExactSum sum;
  const hel::OtherLabels others = call.with_input([&]<class T>(T* input) {
    const hel::Gradients<T> gradients{static_cast<T*>(out.data), nullptr, static_cast<T>(upstream)};
    return is_reduced ? hel::reduce(sum, input, call.labels, call.n, call.settings, gradients)
                      : hel::forward(static_cast<T*>(losses.data), input, call.labels, call.n, call.settings,
                                     gradients);
  });
  if (others.are_errors(call.settings)) return call.create_report(others);
  return is_reduced ? call.round(sum, others) : nullptr;
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

hel::Totals* totals_of(napi_env env, napi_value value) {
  View view;
  const bool is_state = view.unpack(env, value) && view.length == sizeof(hel::Totals) &&
                        reinterpret_cast<uintptr_t>(view.data) % alignof(hel::Totals) == 0;
  return is_state ? static_cast<hel::Totals*>(view.data) : nullptr;
}

// Adds all elements to a state, or none if there is an error.
template <class Add>
napi_value add_to_state(napi_env env, napi_callback_info info, const Add& add) {
  Call call;
  hel::Totals* totals;
  if (!call.unpack(env, info) || !call.unpack_slice() ||
      (totals = totals_of(env, call.arguments[6])) == nullptr) {
    return throw_memory_changed(env);
  }
  hel::Totals part;
  const hel::OtherLabels others = call.with_input([&](auto* input) { return add(part, input, call); });
  if (others.are_errors(call.settings)) return call.create_report(others);
  totals->merge(part);
  return nullptr;
}

napi_value accumulate(napi_env env, napi_callback_info info) {
  return add_to_state(env, info, [](hel::Totals& totals, auto* input, const Call& call) {
    return hel::accumulate(totals, input, call.labels, call.n, call.settings);
  });
}

// Counts all elements as positives. Only the totals of all elements are then those of accumulate; it is
// faster.
napi_value accumulate_unclassed(napi_env env, napi_callback_info info) {
  return add_to_state(env, info, [](hel::Totals& totals, auto* input, const Call& call) {
    const hel::OtherLabels others = hel::reduce(totals.sums[0], input, call.labels, call.n, call.settings);
    totals.positives = call.n - others.count;
    totals.others = others.count;
    return others;
  });
}

hel::Totals& unpack_state(const Napi::CallbackInfo& info, size_t index) {
  hel::Totals* totals = totals_of(info.Env(), info[index]);
  if (totals == nullptr) throw Napi::TypeError::New(info.Env(), "expected the state of an accumulator");
  return *totals;
}

Napi::Value merge(const Napi::CallbackInfo& info) {
  unpack_state(info, 0).merge(unpack_state(info, 1));
  return info.Env().Undefined();
}

// [all, positives, negatives] × [count, sum, mean], then active negatives and others.
Napi::Value totals(const Napi::CallbackInfo& info) {
  const auto policy = static_cast<hel::OtherLabelPolicy>(info[1].As<Napi::Number>().Uint32Value());
  const hel::Figures figures = unpack_state(info, 0).figures(policy);
  Napi::Array list = Napi::Array::New(info.Env());
  uint32_t length = 0;
  const auto push = [&](double figure) { list.Set(length++, figure); };
  for (const hel::ClassFigures& each : {figures.all, figures.positives, figures.negatives}) {
    push(static_cast<double>(each.count));
    push(each.sum);
    push(each.mean);
  }
  push(static_cast<double>(figures.active));
  push(static_cast<double>(figures.others));
  return list;
}

// [positives, positiveSum, negatives, negativeSum, active, others]
Napi::Value export_state(const Napi::CallbackInfo& info) {
  const hel::Totals& totals = unpack_state(info, 0);
  Napi::Array record = Napi::Array::New(info.Env());
  record.Set(0u, static_cast<double>(totals.positives));
  record.Set(1u, totals.sums[0].to_text());
  record.Set(2u, static_cast<double>(totals.negatives));
  record.Set(3u, totals.sums[1].to_text());
  record.Set(4u, static_cast<double>(totals.active));
  record.Set(5u, static_cast<double>(totals.others));
  return record;
}

// Returns false if a count or a text is not one that export_state returns, or if they contradict each other.
Napi::Value import_state(const Napi::CallbackInfo& info) {
  hel::Totals& totals = unpack_state(info, 0);
  const Napi::Array record = info[1].As<Napi::Array>();
  hel::Totals read;
  const auto read_count = [&](uint32_t index, uint64_t& count) {
    const Napi::Value value = record.Get(index);
    if (!value.IsNumber()) return false;
    const double number = value.As<Napi::Number>().DoubleValue();
    const bool is_count = number >= 0 && number <= static_cast<double>(hel::kMaxElements) &&
                          number == static_cast<double>(static_cast<uint64_t>(number));
    count = is_count ? static_cast<uint64_t>(number) : 0;
    return is_count;
  };
  const auto read_sum = [&](uint32_t index, hel::ExactSum& sum) {
    const Napi::Value value = record.Get(index);
    return value.IsString() && hel::ExactSum::from_text(value.As<Napi::String>().Utf8Value(), sum);
  };
  const bool is_record = read_count(0, read.positives) && read_sum(1, read.sums[0]) &&
                         read_count(2, read.negatives) && read_sum(3, read.sums[1]) &&
                         read_count(4, read.active) && read_count(5, read.others) && read.is_possible();
  if (is_record) totals = read;
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
  return hel::in_default_float_environment([&] { return kFunction(env, info); });
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
      describe("reduce", entry<reduce>),         describe("forward", entry<forward>),
      describe("backward", entry<backward>),     describe("valueAndGrad", entry<value_and_grad>),
      describe("accumulate", entry<accumulate>), describe("accumulateUnclassed", entry<accumulate_unclassed>),
      describe("convert", entry<convert>),
  };
  napi_define_properties(env, exports, std::size(calls), calls);
  exports.Set("stateBytes", static_cast<double>(sizeof(hel::Totals)));
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
