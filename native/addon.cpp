// Node-API only: unpack, call, return. lib/native.ts types what is exported here, and lib/ checks every
// argument before it comes; the checks here only keep memory safe, should a caller change it in between.

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

constexpr char kMemoryChanged[] = "input, label, out or gradOutput changed while the call was being prepared";

// A typed array. What it has as elements costs more to ask than all the rest, so lib/ says it; lib/tensor.ts
// keeps what it says where no program can change it.
struct View {
  size_t length = 0;
  void* data = nullptr;

  bool from(napi_env env, napi_value value) {
    return napi_get_typedarray_info(env, value, nullptr, &length, &data, nullptr, nullptr) == napi_ok;
  }
  bool overlaps(const void* other, size_t bytes, size_t own_bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(data), others = reinterpret_cast<uintptr_t>(other);
    return begin < others + bytes && others < begin + own_bytes;
  }
};

// By LabelType, which has the order of dtypes in lib/dtypes.ts.
constexpr size_t kElementBytes[] = {4, 8, 1, 1, 2, 2, 4, 4, 8, 8};

size_t bytes_of(hel::LabelType type) { return kElementBytes[static_cast<size_t>(type)]; }

// Two dtypes in one number, as dtypesCode in lib/dtypes.ts writes them.
hel::LabelType first_type(uint32_t code) {
  return static_cast<hel::LabelType>(code % std::size(kElementBytes));
}
hel::LabelType second_type(uint32_t code) {
  return static_cast<hel::LabelType>(code / std::size(kElementBytes) % std::size(kElementBytes));
}

napi_value throw_error(napi_env env, const char* message) {
  napi_throw_range_error(env, "ERR_SHAPE_MISMATCH", message);
  return nullptr;
}

// (input, label, dtypes, margin, positiveLabel, negativeLabel, policy, …): what every call over elements
// begins with.
struct Call {
  static constexpr size_t kArguments = 10;  // those left out are undefined

  napi_env env;
  napi_value arguments[kArguments];
  View input;
  hel::LabelType input_type;
  View label{};            // empty where one label is for all
  size_t label_bytes = 0;  // of all of it
  hel::Labels labels;
  size_t begin = 0, n;  // elements from `begin` on, which `labels` has too
  hel::Settings settings;
  hel::OtherLabelPolicy policy;

  bool unpack(napi_env environment, napi_callback_info info) {
    env = environment;
    size_t count = kArguments;
    return napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) == napi_ok &&
           input.from(env, arguments[0]) && unpack_labels(arguments[1], arguments[2]) &&
           napi_get_value_double(env, arguments[3], &settings.margin) == napi_ok &&
           napi_get_value_int32(env, arguments[4], &settings.positive_label) == napi_ok &&
           napi_get_value_int32(env, arguments[5], &settings.negative_label) == napi_ok &&
           unpack_policy(arguments[6]);
  }

  bool unpack_policy(napi_value value) {
    uint32_t code;
    if (napi_get_value_uint32(env, value, &code) != napi_ok) return false;
    policy = static_cast<hel::OtherLabelPolicy>(code);
    return true;
  }

  bool unpack_labels(napi_value value, napi_value dtypes) {
    uint32_t code;
    if (napi_get_value_uint32(env, dtypes, &code) != napi_ok) return false;
    input_type = first_type(code);
    const hel::LabelType label_type = second_type(code);
    n = input.length;
    if (label.from(env, value)) {
      labels = {label_type, label.data, 0};
      label_bytes = n * bytes_of(label_type);
      return label.length == n;
    }
    labels = {hel::LabelType::kConstant, nullptr, 0};
    return napi_get_value_double(env, value, &labels.constant) == napi_ok;
  }

  // (…, begin, end): about the elements between them only; about all where they are left out.
  bool unpack_slice() {
    int64_t from, to;
    if (napi_get_value_int64(env, arguments[8], &from) != napi_ok) return true;
    if (napi_get_value_int64(env, arguments[9], &to) != napi_ok || from < 0 || to < from ||
        static_cast<size_t>(to) > n) {
      return false;
    }
    begin = static_cast<size_t>(from);
    n = static_cast<size_t>(to) - begin;
    if (label.length > 0) labels.data = static_cast<char*>(label.data) + begin * bytes_of(labels.type);
    return true;
  }

  // A typed array of the input's length and dtype.
  bool unpack_like_input(size_t index, View& view) const {
    return view.from(env, arguments[index]) && view.length == input.length;
  }

  bool unpack_bool(size_t index, bool& value) const {
    return napi_get_value_bool(env, arguments[index], &value) == napi_ok;
  }

  // Throws where `out` cannot be written without changing what is still to be read.
  bool refuses_overlap(const View& out, const View& grad_output = {}) const {
    const size_t bytes = input.length * bytes_of(input_type);
    const char* expected = nullptr;
    if (out.data != input.data && out.overlaps(input.data, bytes, bytes)) {
      expected = "out must be the input itself or memory apart from it, got overlapping memory";
    } else if (out.overlaps(label.data, label_bytes, bytes)) {
      expected = "out must be memory apart from label, got overlapping memory";
    } else if (out.overlaps(grad_output.data, grad_output.data == nullptr ? 0 : bytes, bytes)) {
      expected = "out must be memory apart from gradOutput, got overlapping memory";
    }
    if (expected != nullptr) napi_throw_range_error(env, "ERR_INVALID_ARG_VALUE", expected);
    return expected != nullptr;
  }

  uint64_t counted(uint64_t others) const {
    return n - (policy == hel::OtherLabelPolicy::kIgnore ? others : 0);
  }

  // What each element's gradient is multiplied with.
  double factor(double grad_output, bool is_mean) const {
    if (!is_mean) return grad_output;
    const bool has_masks = policy == hel::OtherLabelPolicy::kIgnore;
    const uint64_t others = has_masks ? hel::count_others(labels, n, settings) : 0;
    return grad_output / static_cast<double>(counted(others));
  }

  template <class Use>
  hel::OtherLabels with_input(const Use& use) const {
    return input_type == hel::LabelType::kFloat32 ? use(static_cast<float*>(input.data) + begin)
                                                  : use(static_cast<double*>(input.data) + begin);
  }

  bool is_refused(const hel::OtherLabels& others) const {
    return others.count > 0 && policy == hel::OtherLabelPolicy::kError;
  }

  napi_value value(const hel::ExactSum& sum, bool is_mean, const hel::OtherLabels& others) const {
    napi_value value;
    napi_create_double(env, sum.round(is_mean ? counted(others.count) : 1), &value);
    return value;
  }

  // { index, count }. Where a worker thread is being terminated nothing can be made, and nobody waits for it.
  napi_value report(const hel::OtherLabels& others) const {
    napi_value report = nullptr, index, count;
    const bool is_made =
        napi_create_object(env, &report) == napi_ok &&
        napi_create_double(env, static_cast<double>(begin + others.first), &index) == napi_ok &&
        napi_create_double(env, static_cast<double>(others.count), &count) == napi_ok &&
        napi_set_named_property(env, report, "index", index) == napi_ok &&
        napi_set_named_property(env, report, "count", count) == napi_ok;
    return is_made ? report : nullptr;
  }
};

napi_value reduce(napi_env env, napi_callback_info info) {
  Call call;
  bool is_mean;
  if (!call.unpack(env, info) || !call.unpack_bool(7, is_mean)) return throw_error(env, kMemoryChanged);
  hel::ExactSum sum;
  const hel::OtherLabels others = call.with_input(
      [&](auto* input) { return hel::reduce(sum, input, call.labels, call.n, call.settings); });
  return call.is_refused(others) ? call.report(others) : call.value(sum, is_mean, others);
}

napi_value forward(napi_env env, napi_callback_info info) {
  Call call;
  View out;
  if (!call.unpack(env, info) || !call.unpack_like_input(7, out) || !call.unpack_slice())
    return throw_error(env, kMemoryChanged);
  if (call.refuses_overlap(out)) return nullptr;
  const hel::OtherLabels others = call.with_input([&](auto* input) {
    return hel::forward(static_cast<decltype(input)>(out.data) + call.begin, input, call.labels, call.n,
                        call.settings);
  });
  return call.is_refused(others) ? call.report(others) : nullptr;
}

// (…, out, gradOutput, isMean)
napi_value backward(napi_env env, napi_callback_info info) {
  Call call;
  View out, grad_output;
  double constant = 0;
  bool is_mean;
  if (!call.unpack(env, info) || !call.unpack_like_input(7, out) || !call.unpack_bool(9, is_mean) ||
      !(napi_get_value_double(env, call.arguments[8], &constant) == napi_ok ||
        call.unpack_like_input(8, grad_output))) {
    return throw_error(env, kMemoryChanged);
  }
  if (call.refuses_overlap(out, grad_output)) return nullptr;
  const double factor = call.factor(constant, is_mean);
  const hel::OtherLabels others = call.with_input([&]<class T>(T* input) {
    const hel::Gradients<T> gradients{static_cast<T*>(out.data), static_cast<T*>(grad_output.data),
                                      static_cast<T>(factor)};
    return hel::backward(gradients, input, call.labels, call.n, call.settings);
  });
  return call.is_refused(others) ? call.report(others) : nullptr;
}

// (…, out, losses or isMean)
napi_value value_and_grad(napi_env env, napi_callback_info info) {
  Call call;
  View out, losses;
  bool is_mean = false;
  if (!call.unpack(env, info) || !call.unpack_like_input(7, out)) return throw_error(env, kMemoryChanged);
  const bool is_reduced = call.unpack_bool(8, is_mean);
  if (!is_reduced && !call.unpack_like_input(8, losses)) return throw_error(env, kMemoryChanged);
  if (call.refuses_overlap(out)) return nullptr;
  const double factor = call.factor(1, is_mean);
  hel::ExactSum sum;
  const hel::OtherLabels others = call.with_input([&]<class T>(T* input) {
    const hel::Gradients<T> gradients{static_cast<T*>(out.data), nullptr, static_cast<T>(factor)};
    return is_reduced ? hel::reduce(sum, input, call.labels, call.n, call.settings, gradients)
                      : hel::forward(static_cast<T*>(losses.data), input, call.labels, call.n, call.settings,
                                     gradients);
  });
  if (call.is_refused(others)) return call.report(others);
  return is_reduced ? call.value(sum, is_mean, others) : nullptr;
}

// (out, source, dtypes)
napi_value convert(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], converted;
  View out, source;
  uint32_t code;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok ||
      !out.from(env, arguments[0]) || !source.from(env, arguments[1]) || out.length != source.length ||
      napi_get_value_uint32(env, arguments[2], &code) != napi_ok) {
    return throw_error(env, kMemoryChanged);
  }
  const size_t end = hel::convert(first_type(code), out.data, second_type(code), source.data, source.length);
  return napi_create_double(env, static_cast<double>(end), &converted) == napi_ok ? converted : nullptr;
}

hel::Totals* totals_of(napi_env env, napi_value value) {
  View view;
  const bool is_state = view.from(env, value) && view.length == sizeof(hel::Totals) &&
                        reinterpret_cast<uintptr_t>(view.data) % alignof(hel::Totals) == 0;
  return is_state ? static_cast<hel::Totals*>(view.data) : nullptr;
}

// Adds to a state; all or nothing.
template <class Add>
napi_value add_to_state(napi_env env, napi_callback_info info, const Add& add) {
  Call call;
  hel::Totals* totals;
  if (!call.unpack(env, info) || !call.unpack_slice() ||
      (totals = totals_of(env, call.arguments[7])) == nullptr) {
    return throw_error(env, kMemoryChanged);
  }
  hel::Totals part;
  const hel::OtherLabels others = call.with_input([&](auto* input) { return add(part, input, call); });
  if (call.is_refused(others)) return call.report(others);
  totals->merge(part);
  return nullptr;
}

napi_value accumulate(napi_env env, napi_callback_info info) {
  return add_to_state(env, info, [](hel::Totals& totals, auto* input, const Call& call) {
    return hel::accumulate(totals, input, call.labels, call.n, call.settings);
  });
}

// All elements as positives: their totals are as those of accumulate, and come sooner.
napi_value accumulate_unclassed(napi_env env, napi_callback_info info) {
  return add_to_state(env, info, [](hel::Totals& totals, auto* input, const Call& call) {
    const hel::OtherLabels others = hel::reduce(totals.sums[0], input, call.labels, call.n, call.settings);
    totals.positives = call.n - others.count;
    totals.others = others.count;
    return others;
  });
}

hel::Totals& state(const Napi::CallbackInfo& info, size_t index) {
  hel::Totals* totals = totals_of(info.Env(), info[index]);
  if (totals == nullptr) throw Napi::TypeError::New(info.Env(), "the state of an accumulator was expected");
  return *totals;
}

Napi::Value merge(const Napi::CallbackInfo& info) {
  state(info, 0).merge(state(info, 1));
  return info.Env().Undefined();
}

// [all, positives, negatives] × [count, sum, mean], then active negatives and others.
Napi::Value totals(const Napi::CallbackInfo& info) {
  const auto policy = static_cast<hel::OtherLabelPolicy>(info[1].As<Napi::Number>().Uint32Value());
  const hel::Figures figures = state(info, 0).figures(policy);
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
  const hel::Totals& totals = state(info, 0);
  Napi::Array record = Napi::Array::New(info.Env());
  record.Set(0u, static_cast<double>(totals.positives));
  record.Set(1u, totals.sums[0].to_text());
  record.Set(2u, static_cast<double>(totals.negatives));
  record.Set(3u, totals.sums[1].to_text());
  record.Set(4u, static_cast<double>(totals.active));
  record.Set(5u, static_cast<double>(totals.others));
  return record;
}

// False where a value is not a count, a text not canonical, or the figures contradict each other.
Napi::Value import_state(const Napi::CallbackInfo& info) {
  hel::Totals& totals = state(info, 0);
  const Napi::Array record = info[1].As<Napi::Array>();
  hel::Totals read;
  const auto read_count = [&](uint32_t index, uint64_t& count) {
    const Napi::Value value = record.Get(index);
    if (!value.IsNumber()) return false;
    const double number = value.As<Napi::Number>().DoubleValue();
    const bool is_count = number >= 0 && number <= static_cast<double>(hel::kSizeMax) &&
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

// Entries calculate in the default floating-point environment, whatever the program has set. What an entry
// does is a function that is not inlined: the compiler may move arithmetic across the change of the
// environment, but not out of a function.
template <napi_callback kCall>
[[gnu::noinline]] napi_value call(napi_env env, napi_callback_info info) {
  return kCall(env, info);
}

template <napi_callback kCall>
napi_value entry(napi_env env, napi_callback_info info) {
  const hel::DefaultFloatEnvironment environment;
  return call<kCall>(env, info);
}

using WrappedCall = Napi::Value (*)(const Napi::CallbackInfo& info);

template <WrappedCall kCall>
[[gnu::noinline]] Napi::Value call_wrapped(const Napi::CallbackInfo& info) {
  return kCall(info);
}

template <WrappedCall kCall>
Napi::Value wrapped_entry(const Napi::CallbackInfo& info) {
  const hel::DefaultFloatEnvironment environment;
  return call_wrapped<kCall>(info);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  // The calls over elements take the C interface, which costs half as much a call.
  const napi_property_descriptor calls[] = {
      {"reduce", nullptr, entry<reduce>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"forward", nullptr, entry<forward>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"backward", nullptr, entry<backward>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"valueAndGrad", nullptr, entry<value_and_grad>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"accumulate", nullptr, entry<accumulate>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"convert", nullptr, entry<convert>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"accumulateUnclassed", nullptr, entry<accumulate_unclassed>, nullptr, nullptr, nullptr,
       napi_enumerable, nullptr},
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
