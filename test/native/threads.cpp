// A program for ThreadSanitizer: several threads call the core at once and share its pool, while they change
// the number of threads. Every result must have the same bits.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "../../native/hinge_embedding_loss.h"
#include "../../native/kernels/kernels.h"
#include "../../native/parallel.h"

namespace hel = hinge_embedding_loss;

namespace {

constexpr size_t kSize = (size_t{1} << 18) + 77;  // large enough for the pool
constexpr hel::Settings kSettings{0.3, 1, -1};
constexpr size_t kWidth = 16;
constexpr size_t kRows = kSize / kWidth;

struct Pairs {
  std::vector<float> input;
  std::vector<int8_t> label;

  Pairs() : input(kSize), label(kSize) {
    for (size_t i = 0; i < kSize; i++) {
      input[i] = static_cast<float>(i * 2654435761u % 1000003) / 1e6f;
      label[i] = i % 3 == 0 ? 1 : -1;
    }
  }
  hel::Labels labels() const { return {hel::DType::kInt8, label.data(), 0}; }
};

// Calls each function once and returns the sums of all results as text.
std::string sum_results(const Pairs& pairs) {
  hel::ExactSum sum;
  hel::Totals totals{};
  std::vector<float> losses(kSize);
  const hel::Input input(pairs.input.data());
  hel::reduce(sum, input, pairs.labels(), kSize, kSettings);
  hel::accumulate(totals, input, pairs.labels(), kSize, kSettings);
  hel::forward(losses.data(), input, pairs.labels(), kSize, kSettings);
  hel::ExactSum loss_sum;
  for (const float loss : losses) loss_sum.add(static_cast<double>(loss));

  // The first row beside all: the gradients by it are summed.
  const float* rows = pairs.input.data();
  const hel::Pairs<float> embeddings{{rows, true}, {rows, false}, kRows, kWidth, {}};
  std::vector<float> by_first(kWidth), by_rows(kRows * kWidth);
  hel::DistanceGradients<float> by_sides(embeddings, by_first.data(), by_rows.data());
  hel::Gradients<float> gradients;
  gradients.constant = 1;
  gradients.pairs = &by_sides;
  hel::reduce(sum, hel::Input(embeddings), pairs.labels(), kRows, kSettings, gradients);
  by_sides.finish();
  for (const float gradient : by_first) loss_sum.add(static_cast<double>(gradient));
  for (const float gradient : by_rows) loss_sum.add(static_cast<double>(gradient));
  return sum.to_text() + ' ' + totals.sums[0].to_text() + ' ' + totals.sums[1].to_text() + ' ' +
         loss_sum.to_text();
}

}  // namespace

int main() {
  const Pairs pairs;
  hel::set_num_threads(1);
  const std::string expected = sum_results(pairs);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < 3; caller++) {
    callers.emplace_back([&, caller] {
      for (size_t round = 0; round < 20; round++) {
        hel::set_num_threads(1 + (caller + round) % 4);
        if (sum_results(pairs) == expected) continue;
        std::fprintf(stderr, "caller %zu, round %zu: the bits differ\n", caller, round);
        std::exit(1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  std::puts("the same bits from all threads");
}
